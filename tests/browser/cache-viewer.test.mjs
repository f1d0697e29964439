// What the page shows of the files that it keeps, and how they are deleted.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { openApp } from "../support/app.mjs";
import { focused } from "../support/axe.mjs";
import { ranges } from "../support/faults.mjs";

let app;

before(async () => {
  app = await openApp({ path: "/#graft" });
});
after(async () => {
  await app?.close();
});

const tokenizer = (id) =>
  app.page.waitForFunction((id) => document.querySelector("#panel-graft").dataset.tokenizer === id, id, {
    timeout: 60_000,
  });
const names = () => app.get("cache-list").locator(".stored-name").allTextContents();
const listed = (count) =>
  app.page.waitForFunction(
    (count) => document.querySelectorAll('[data-testid="cache-entry"]').length === count,
    count,
  );
const path = (id) => `/models/tokenizers/${id}/tokenizer.json`;

test("files are listed with size, date and what tells them apart, the newest first", async () => {
  const before = Date.now();
  await tokenizer("llama3");
  await app.get("graft-tokenizer").selectOption("qwen3");
  await tokenizer("qwen3");
  await app.get("cache").locator("summary").click();
  await listed(2);
  assert.deepEqual(await names(), ["qwen3/tokenizer.json", "llama3/tokenizer.json"]);
  const [first] = await app.get("cache-entry").allTextContents();
  assert.match(first, /\d\d?(\.\d)? MB · [A-Z][a-z]{2} \d{1,2}, 20\d\d, \d{1,2}:\d\d/);
  const stored = await app.get("cache-list").locator("time").first().getAttribute("datetime");
  assert.ok(Date.parse(stored) >= before - 1000 && Date.parse(stored) <= Date.now(), stored);
  const sizes = (await app.get("cache-entry").allTextContents()).map((text) =>
    Number(/([\d.]+) MB/.exec(text)[1]),
  );
  const total = Number(/([\d.]+) MB/.exec(await app.get("cache-total").textContent())[1]);
  assert.ok(Math.abs(total - sizes[0] - sizes[1]) < 1, `${total} of ${sizes}`);
  assert.match(await app.get("cache-room").textContent(), /This site uses .* MB of the .* [GT]B/);
});

test("a download that was cut is told, and goes on when it is loaded again", async () => {
  app.server.hub.play("cut", ranges.good({ most: 20 * 1024 * 1024 }), ranges.status(503));
  await app.loadFrom("/hub/lexigraft/cut/resolve/main/SmolLM2.gguf");
  assert.equal((await app.error()).code, "http");
  await app.page.waitForFunction(() =>
    /^16\.8 MB of cut downloads/.test(document.querySelector('[data-testid="cache-room"]').textContent),
  );
  assert.equal((await names()).length, 2);
  app.server.hub.play("cut", ranges.good());
  await app.get("load").click();
  await app.page.waitForFunction(() => document.body.dataset.model === "ready", null, { timeout: 180_000 });
  assert.equal(app.server.hub.asked[0].range, `bytes=${16 * 1024 * 1024}-`);
  await listed(3);
  assert.match(await app.get("cache-room").textContent(), /^This site/);
});

test("one file is deleted by keyboard, and the focus goes to the next", async () => {
  await app.page.getByRole("button", { name: "Delete qwen3/tokenizer.json" }).focus();
  await app.page.keyboard.press("Enter");
  await listed(2);
  assert.deepEqual(await names(), ["SmolLM2.gguf", "llama3/tokenizer.json"]);
  assert.equal((await focused(app.page)).name, "cache-delete");
  assert.equal(app.server.hits(path("qwen3")), 1);
  await app.reload();
  await app.get("graft-tokenizer").selectOption("qwen3");
  await tokenizer("qwen3");
  assert.deepEqual([app.server.hits(path("qwen3")), app.server.hits(path("llama3"))], [2, 1]);
});

test("all are deleted, and the list says that there are none", async () => {
  await app.get("cache").locator("summary").click();
  await app.get("cache-clear").click();
  await listed(0);
  assert.match(await app.get("cache-total").textContent(), /nothing yet/);
  assert.equal(await app.get("cache-clear").isVisible(), false);
  assert.match((await focused(app.page)).name, /^SUMMARY Kept in this browser/);
  await app.reload();
  await app.get("cache").locator("summary").click();
  await app.page.waitForFunction(
    () => !/SmolLM2|qwen3/.test(document.querySelector('[data-testid="cache-list"]').textContent),
  );
});

test("nothing went wrong on the way", () => {
  assert.deepEqual(app.problems, []);
});
