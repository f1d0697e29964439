// What a bad address or a bad file gives: its own code, a message, and an engine that still works.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { openPackagePage } from "../support/package-page.mjs";
import { models, reference } from "../support/paths.mjs";

const cases = [
  ["missing", "not-found"],
  ["gone", "not-found"],
  ["html", "not-found"],
  ["broken", "http"],
  ["forbidden", "http"],
  ["cut", "network"],
  ["wrong-length", "network"],
  ["truncated", "bad-checkpoint"],
  ["empty", "bad-checkpoint"],
  ["wrong-magic", "unsupported-format"],
  ["old-gguf", "unsupported-format"],
  ["absurd-gguf", "bad-checkpoint"],
  ["unknown-architecture", "unsupported-architecture"],
  ["safetensors", "bad-config"],
];
let page;

before(async () => {
  page = await openPackagePage();
  await page.call("create", { device: "cpu" });
});
after(async () => {
  await page?.close();
});

for (const [fault, code] of cases) {
  test(`${fault} gives ${code}`, async () => {
    const failed = await page.call("loadFailure", `/fault/${fault}/model.gguf`);
    assert.equal(failed?.code, code, failed?.message);
    assert.ok(failed.typed, "the error is a LexigraftError");
    assert.ok(failed.message.length > 10, failed.message);
  });
}

test("a model without a tokenizer gives tokenizer-missing", async () => {
  const failed = await page.call("loadFailure", "/fault/safetensors/model.safetensors", {
    config: "/fault/config/config.json",
  });
  assert.equal(failed?.code, "tokenizer-missing", failed?.message);
});

test("a server that is not there gives network", async () => {
  // Port 9 is the discard service: nothing listens there.
  assert.equal((await page.call("loadFailure", "http://localhost:9/model.gguf"))?.code, "network");
});

test("a failed download is not kept", async () => {
  assert.deepEqual(
    (await page.call("cacheList")).filter(({ url }) => /cut|wrong-length/.test(url)),
    [],
  );
});

test("without WebGPU in the browser it is refused by name, and auto takes the CPU", async () => {
  const failed = await page.call("createFailure", { device: "webgpu" });
  assert.equal(failed.code, "no-webgpu");
  const device = await page.call("create", { device: "auto" });
  assert.equal(device.kind, "cpu");
  assert.ok(device.reason.length > 10);
});

test("after all of it the real model still loads and writes", async () => {
  const { prompts } = await reference("smollm2-135m-instruct-q4_1");
  await page.call("load", `/models/${models.smollm2}`);
  const result = await page.call("generate", prompts[0].prompt, { temperature: 0, maxTokens: 4 });
  assert.deepEqual(result.ids, prompts[0].greedy_ids.slice(0, 4));
  assert.deepEqual(page.problems, []);
});
