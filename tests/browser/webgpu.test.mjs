// The npm package on WebGPU, here Chromium's software adapter: slow, and correct to the last token.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { assertClose, assertTop10 } from "../support/compare.mjs";
import { openPackagePage } from "../support/package-page.mjs";
import { models, reference } from "../support/paths.mjs";

const { prompts } = await reference("smollm2-135m-instruct-q4_1");
let page;

before(async () => {
  page = await openPackagePage({ webgpu: true });
});
after(async () => {
  await page?.close();
});

test("auto never prefers a software adapter to the CPU", async () => {
  const device = await page.call("create", { device: "auto" });
  assert.equal(device.kind, "cpu");
  assert.match(device.reason, /software/i);
});

test("WebGPU is used when asked for", async () => {
  const device = await page.call("create", { device: "webgpu" });
  assert.equal(device.kind, "webgpu");
  assert.equal(device.software, true);
  assert.ok(device.adapter.length > 0);
  await page.call("load", `/models/${models.smollm2}`);
});

test("logits of two prompts agree with the reference", async () => {
  for (const prompt of prompts.slice(0, 2)) assertTop10(await page.call("top10", prompt.ids), prompt);
});

test("greedy text of two prompts is the reference's, token by token", async () => {
  for (const prompt of prompts.slice(0, 2)) {
    const result = await page.call("generate", prompt.prompt, { temperature: 0, maxTokens: 16 });
    assert.deepEqual(result.promptIds, prompt.ids);
    assert.deepEqual(result.ids, prompt.greedy_ids.slice(0, 16));
  }
});

test("an aborted generation leaves the device usable", async () => {
  const { failed, result } = await page.call("generateAborted", prompts[0].prompt, 2);
  assert.equal(failed.code, "aborted");
  assert.equal(result.reason, "aborted");
  const again = await page.call("generate", prompts[0].prompt, { temperature: 0, maxTokens: 2 });
  assert.deepEqual(again.ids, prompts[0].greedy_ids.slice(0, 2));
});

test("embeddings agree with the reference", async () => {
  const cases = (await reference("all-minilm-l6-v2")).cases.slice(0, 2);
  const { ids, vectors } = await page.call(
    "embed",
    `/models/${models.minilm}`,
    cases.map(({ text }) => text),
  );
  for (const [index, wanted] of cases.entries()) {
    assert.deepEqual(ids[index], wanted.ids);
    assertClose(vectors[index], wanted.embedding, 1e-4, "embedding");
  }
  assert.deepEqual(page.problems, []);
});

test("a device lost in the middle of a generation is reported, and a new one starts from the cache", async () => {
  assert.equal((await page.call("createLosable")).kind, "webgpu");
  await page.call("load", `/models/${models.smollm2}`);
  const { pieces, during, after, disposed } = await page.call("loseDevice", prompts[0].prompt);
  assert.ok(pieces < 200, `${pieces} pieces`);
  assert.equal(during.code, "device-lost", during.message);
  assert.equal(after.code, "device-lost");
  assert.equal(disposed, undefined);

  await page.call("createLosable");
  const { events } = await page.call("load", `/models/${models.smollm2}`);
  assert.ok(events.some(({ fromCache }) => fromCache));
  const again = await page.call("generate", prompts[0].prompt, { temperature: 0, maxTokens: 2 });
  assert.deepEqual(again.ids, prompts[0].greedy_ids.slice(0, 2));
});
