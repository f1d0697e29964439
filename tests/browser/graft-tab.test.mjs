// The Graft tab of the built page, with the real model and real tokenizers.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { openApp } from "../support/app.mjs";
import { folders } from "../support/paths.mjs";
import { someMerges, tinyTokenizer } from "../support/tiny-tokenizer.mjs";

/** Grafting, scoring a short text twice and writing twice, on a busy machine. */
const GRAFT_MS = 180_000;
let app;

before(async () => {
  app = await openApp({ path: "/#graft" });
});
after(async () => {
  await app?.close();
});

const tokenizer = (id) =>
  app.page.waitForFunction((id) => document.querySelector("#panel-graft").dataset.tokenizer === id, id, {
    timeout: GRAFT_MS,
  });
const ended = () =>
  app.page.waitForFunction(
    () =>
      document.body.dataset.running === "false" &&
      !document.querySelector('[data-testid="graft-start"]').disabled,
    null,
    { timeout: GRAFT_MS },
  );
const count = async (testid) => Number(/^([\d,]+) tokens?/.exec(await app.get(testid).textContent())[1]);

test("without a model it cuts by the other tokenizer, and says what to do", async () => {
  assert.equal(await app.get("tab-graft").getAttribute("aria-selected"), "true");
  await tokenizer("llama3");
  await app.get("graft-text").fill("Grüße 😀");
  await app.page.waitForFunction(
    () => document.querySelector('[data-testid="segments-other"]').textContent === "Grüße 😀",
  );
  assert.equal(await count("segments-other-count"), 4);
  assert.equal(await app.get("graft-start").isDisabled(), true);
  assert.match(await app.get("graft-note").textContent(), /Load a model/);
});

test("both ways to cut a text stand side by side, and languages in a table", async () => {
  await app.get("load").click();
  await app.enabled("graft-start", GRAFT_MS);
  await app.page.waitForFunction(() =>
    document.querySelector('[data-testid="segments-own"]').textContent.startsWith("Gr"),
  );
  assert.equal(await count("segments-own-count"), 6);
  // The tokens that share the emoji are one stretch, with their number.
  assert.equal(await app.get("segments-own").locator(".cut-inside sup").textContent(), "2");
  const rows = app.get("language-table").locator("tbody tr");
  await rows.nth(12).waitFor();
  const korean = await rows.filter({ hasText: "Korean" }).locator("td").allTextContents();
  const [own, other] = korean.map((cell) => Number(cell.replaceAll(/[^\d]/g, "")));
  assert.ok(other < own / 2, korean.join(" "));
});

test("a graft shows its progress, its bits per byte and how it goes on", async () => {
  await app.get("graft-text").fill("Wer reitet so spät durch Nacht und Wind?");
  await app.get("graft-start").click();
  await app.get("graft-progress").waitFor();
  await ended();
  assert.match(
    await app.get("graft-report").textContent(),
    /Llama 3: 128,256 tokens in .* 88,690 have new ones/,
  );
  const figures = await app.get("graft-figures").locator("td").allTextContents();
  const [ownTokens, tokens, ownBits, bits] = figures.map(Number);
  assert.ok(tokens < ownTokens && bits > ownBits, figures.join(" "));
  assert.match(await app.get("graft-before").textContent(), /^ Paris/);
  assert.match(await app.get("graft-after").textContent(), /^ Paris/);
});

test("the graft can be used in the other tabs, and put off again", async () => {
  await app.get("graft-wear").click();
  await app.page.waitForFunction(() => document.body.textContent.includes("128,256 tokens"));
  await app.get("tab-generate").click();
  await app.set({ temperature: 0, "max-tokens": 6 });
  const { text } = await app.generate("The capital of France is");
  assert.match(text, /Paris/);
  await app.get("tab-graft").click();
  assert.match(await app.get("graft-wear").textContent(), /original/);
  await app.get("graft-wear").click();
  assert.match(await app.get("graft-wear").textContent(), /graft/);
});

test("its file is saved", async () => {
  const [saved] = await Promise.all([
    app.page.waitForEvent("download", { timeout: GRAFT_MS }),
    app.get("graft-save-gguf").click(),
  ]);
  assert.equal(saved.suggestedFilename(), "model.gguf");
  const bytes = await readFile(await saved.path());
  assert.equal(bytes.subarray(0, 4).toString("latin1"), "GGUF");
  assert.ok(bytes.length > 100e6);
  await ended();
  assert.match(await app.get("graft-saved").textContent(), /Saved: model.gguf/);
});

test("Escape stops a graft, and the focus stays with the buttons", async () => {
  await app.get("graft-method").selectOption("fvt+first-piece");
  await app.get("graft-start").focus();
  await app.page.keyboard.press("Enter");
  await app.page.waitForFunction(
    () => document.querySelector('[data-testid="graft-phase"]').textContent === "Asking the model",
    null,
    { timeout: GRAFT_MS },
  );
  await app.page.keyboard.press("Escape");
  await ended();
  assert.equal(await app.get("graft-outcome").isVisible(), false);
  assert.equal(await app.page.evaluate(() => document.activeElement?.dataset.testid), "graft-start");
  assert.equal(await app.get("error").count(), 0);
});

test("a tokenizer of one's own is taken from a file, one that loses text needs consent", async () => {
  await app.get("graft-method").selectOption("fvt");
  const json = (name, text) => ({ name, mimeType: "application/json", buffer: Buffer.from(text) });
  await app.get("graft-file").setInputFiles(json("tiny-tokenizer.json", tinyTokenizer(someMerges)));
  await tokenizer("file");
  await ended();
  assert.equal(await app.get("graft-loss").isVisible(), false);
  await app.get("graft-start").click();
  await app.get("graft-outcome").waitFor({ timeout: GRAFT_MS });
  await ended();
  assert.match(await app.get("graft-report").textContent(), /^tiny-tokenizer.json: 287 tokens/);

  const minilm = await readFile(join(folders.models, "all-minilm-l6-v2", "tokenizer.json"), "utf8");
  await app.get("graft-file").setInputFiles(json("minilm-tokenizer.json", minilm));
  await app.get("graft-loss").waitFor({ timeout: GRAFT_MS });
  assert.match(await app.get("graft-loss").textContent(), /capital letters/);
  await ended();
  await app.get("graft-start").click();
  assert.equal((await app.error()).code, "unsupported-tokenizer");
});

test("a file that is no tokenizer is refused, and the last one stays", async () => {
  await app.get("graft-file").setInputFiles({
    name: "broken.json",
    mimeType: "application/json",
    buffer: Buffer.from("{}"),
  });
  await app.page.waitForFunction(
    () => document.querySelector('[data-testid="error-code"]')?.textContent.trim() === "bad-tokenizer",
  );
  await app.get("graft-tokenizer").selectOption("qwen3");
  await tokenizer("qwen3");
  assert.equal(await app.get("error").count(), 0);
  assert.deepEqual(app.problems, []);
});
