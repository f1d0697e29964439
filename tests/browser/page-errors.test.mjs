// Bad addresses and bad files on the built page: each has its own words, and the page stays usable.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { openApp } from "../support/app.mjs";
import { tinyConfig, tinySafetensors } from "../support/faults.mjs";
import { reference } from "../support/paths.mjs";

const addresses = [
  ["missing", "not-found"],
  ["html", "not-found"],
  ["broken", "http"],
  ["cut", "network"],
  ["wrong-length", "network"],
  ["truncated", "bad-checkpoint"],
  ["empty", "bad-checkpoint"],
  ["wrong-magic", "unsupported-format"],
  ["unknown-architecture", "unsupported-architecture"],
  ["safetensors", "bad-config"],
];
const picks = [
  [{ "empty.gguf": Buffer.alloc(0) }, "bad-checkpoint"],
  [{ "notes.gguf": Buffer.from("these are my notes, not a model") }, "unsupported-format"],
  [{ "cut.gguf": Buffer.from("GGUF\u0003\0\0\0") }, "bad-checkpoint"],
  [{ "model.safetensors": tinySafetensors, "config.json": Buffer.from(tinyConfig) }, "tokenizer-missing"],
];
let app;

before(async () => {
  app = await openApp();
});
after(async () => {
  await app?.close();
});

/** The error is shown, and the page can be used on. */
async function refused(code) {
  const error = await app.error();
  assert.equal(error.code, code, error.message);
  assert.ok(error.message.length > 10, error.message);
  await app.enabled("load");
  await app.get("error-dismiss").click();
  await app.get("error").waitFor({ state: "detached" });
}

for (const [fault, code] of addresses) {
  test(`an address that is ${fault} gives ${code}`, async () => {
    await app.loadFrom(`/fault/${fault}/model.gguf`);
    await refused(code);
  });
}

for (const [files, code] of picks) {
  test(`picking ${Object.keys(files).join(" and ")} gives ${code}`, async () => {
    const picked = Object.entries(files).map(([name, buffer]) => ({ name, mimeType: "", buffer }));
    await app.get("file-input").setInputFiles(picked);
    await refused(code);
  });
}

test("a download can be cancelled", async () => {
  await app.loadFrom("/fault/slow/model.gguf");
  await app.page.waitForFunction(() => document.querySelector('[data-testid="progress"]')?.value > 0);
  await app.get("cancel-load").click();
  await app.enabled("load");
  assert.equal(await app.get("progress").isVisible(), false);
  assert.equal(await app.get("error").isVisible(), false, "to cancel is no error");
});

test("WebGPU that is not there is refused, and the device in use goes on", async () => {
  await app.get("device-select").selectOption("webgpu");
  assert.equal((await app.error()).code, "no-webgpu");
  assert.match(await app.get("device-info").textContent(), /CPU/);
  await app.get("error-dismiss").click();
});

test("after all of it the real model loads and writes", async () => {
  const { prompts } = await reference("smollm2-135m-instruct-q4_1");
  await app.get("source-default").check();
  await app.get("load").click();
  await app.loaded();
  await app.set({ temperature: 0, "max-tokens": 16 });
  const { text } = await app.generate(prompts[0].prompt);
  assert.ok(text.length > 0 && prompts[0].greedy_text.startsWith(text), text);
  assert.deepEqual(app.problems, []);
});
