// The npm package in a cross-origin isolated page, where the CPU engine has threads.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { assertTop10 } from "../support/compare.mjs";
import { openPackagePage } from "../support/package-page.mjs";
import { models, reference } from "../support/paths.mjs";

const { prompts } = await reference("smollm2-135m-instruct-q4_1");
let page;

before(async () => {
  page = await openPackagePage({ isolated: true });
});
after(async () => {
  await page?.close();
});

test("an isolated page has the threads it asks for", async () => {
  assert.equal(await page.call("isolated"), true);
  const device = await page.call("create", { device: "cpu", threads: 2 });
  assert.equal(device.threads, 2);
  assert.match(device.adapter, /2 threads/);
  assert.ok(page.server.hits("/pkg/dist/wasm/cpu-threads/lexigraft_bg.wasm") > 0);
  await page.call("load", `/models/${models.smollm2}`);
});

test("two threads give the reference's logits and text", async () => {
  for (const prompt of prompts) assertTop10(await page.call("top10", prompt.ids), prompt);
  for (const prompt of prompts.slice(0, 2)) {
    const result = await page.call("generate", prompt.prompt, { temperature: 0, maxTokens: 48 });
    assert.deepEqual(result.ids, prompt.greedy_ids);
  }
});

test("an abort and a second model leave the threads at work", async () => {
  const { failed } = await page.call("generateAborted", prompts[0].prompt, 3);
  assert.equal(failed.code, "aborted");
  await page.call("load", `/models/${models.smollm2}`);
  const again = await page.call("generate", prompts[0].prompt, { temperature: 0, maxTokens: 8 });
  assert.deepEqual(again.ids, prompts[0].greedy_ids.slice(0, 8));
});

test("one thread is one thread", async () => {
  const device = await page.call("create", { device: "cpu", threads: 1 });
  assert.equal(device.threads, 1);
  assert.equal(device.reason, "The CPU was asked for.");
});

test("an engine in the page itself has one thread and says why", async () => {
  const device = await page.call("create", { device: "cpu", worker: false, threads: 2 });
  assert.equal(device.threads, 1);
  assert.match(device.reason, /must not wait/);
  assert.deepEqual(page.problems, []);
});

test("a number of threads that is none is refused", async () => {
  for (const threads of [0, -1, 1.5, 65, "2"]) {
    const failed = await page.call("createFailure", { device: "cpu", threads });
    assert.equal(failed.code, "invalid-argument");
  }
});
