// The npm package in a bare page on the CPU: no bundler, no COOP or COEP, the real model.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { assertClose, assertTop10 } from "../support/compare.mjs";
import { openPackagePage } from "../support/package-page.mjs";
import { models, reference } from "../support/paths.mjs";

const SMOLLM2 = `/models/${models.smollm2}`;
const FILE_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53";
const { prompts, tokenizer } = await reference("smollm2-135m-instruct-q4_1");
let page;

before(async () => {
  page = await openPackagePage();
  await page.call("create", { device: "cpu" });
});
after(async () => {
  await page?.close();
});

test("the page is not cross-origin isolated, as on an ordinary server", async () => {
  assert.equal(await page.call("isolated"), false);
});

test("loading reports every phase up to the whole file", async () => {
  const { info, events } = await page.call("load", SMOLLM2);
  assert.equal(info.architecture, "llama");
  assert.equal(info.layers, 30);
  assert.equal(info.hiddenSize, 576);
  assert.equal(info.vocabSize, 49152);
  assert.equal(info.hasChatTemplate, true);
  const download = events.filter(({ phase }) => phase === "download");
  assert.ok(download.length > 3, `${download.length} download events`);
  assert.equal(download.at(-1).loaded, info.fileBytes);
  assert.ok(events.some(({ phase }) => phase === "load"));
  for (const { loaded, total } of events) assert.ok(total === undefined || loaded <= total);
});

test("a second load comes from the cache, which is checked by hash", async () => {
  const hits = page.server.hits(SMOLLM2);
  const { events } = await page.call("load", SMOLLM2, { sha256: FILE_SHA256 });
  assert.ok(events.some(({ fromCache }) => fromCache));
  assert.equal(page.server.hits(SMOLLM2), hits, "the network was asked again");
  const [entry] = await page.call("cacheList");
  assert.equal(entry.sha256, FILE_SHA256);
  assert.equal(entry.bytes, 98_362_432);
  assert.ok(entry.url.endsWith(SMOLLM2));
});

test("every tokenizer case is identical to the reference", async () => {
  const ids = await page.call(
    "tokenize",
    tokenizer.map(({ text }) => text),
  );
  for (const [index, wanted] of tokenizer.entries()) assert.deepEqual(ids[index], wanted.ids, wanted.text);
});

test("logits of every prompt agree with the reference", async () => {
  const ids = await page.call(
    "tokenize",
    prompts.map(({ prompt }) => prompt),
  );
  for (const [index, prompt] of prompts.entries()) {
    assert.deepEqual(ids[index], prompt.ids, prompt.prompt);
    assertTop10(await page.call("top10", prompt.ids), prompt);
  }
});

test("greedy text of two prompts is the reference's, token by token", async () => {
  for (const prompt of prompts.slice(0, 2)) {
    const result = await page.call("generate", prompt.prompt, { temperature: 0, maxTokens: 24 });
    assert.deepEqual(result.promptIds, prompt.ids);
    assert.deepEqual(result.ids, prompt.greedy_ids.slice(0, 24));
    assert.ok(prompt.greedy_text.startsWith(result.text), result.text);
    assert.equal(result.reason, "max-tokens");
  }
});

test("a stop token ends the text", async () => {
  const [prompt] = prompts;
  const result = await page.call("generate", prompt.prompt, { temperature: 0, maxTokens: 48 });
  assert.equal(result.reason, "stop-token");
  assert.equal(result.text, prompt.greedy_text.replace("<|im_end|>", ""));
});

test("a stop string ends the text before itself", async () => {
  const [, prompt] = prompts;
  const result = await page.call("generate", prompt.prompt, {
    temperature: 0,
    maxTokens: 32,
    stop: ["happy"],
  });
  assert.equal(result.reason, "stop-string");
  assert.equal(result.text, prompt.greedy_text.slice(0, prompt.greedy_text.indexOf("happy")));
});

test("chat goes through the model's template", async () => {
  const chat = prompts.find(({ prompt }) => prompt.startsWith("<|im_start|>"));
  const user = /<\|im_start\|>user\n(.*?)<\|im_end\|>/s.exec(chat.prompt)[1];
  const result = await page.call("chat", [{ role: "user", content: user }], {
    temperature: 0,
    maxTokens: 16,
  });
  assert.deepEqual(result.promptIds, chat.ids);
  assert.deepEqual(result.ids, chat.greedy_ids.slice(0, 16));
});

test("the same seed gives the same text, and log-probabilities come on request", async () => {
  const options = { temperature: 1, maxTokens: 12, seed: 7, logProbs: true };
  const first = await page.call("generate", prompts[1].prompt, options);
  const second = await page.call("generate", prompts[1].prompt, options);
  assert.deepEqual(first.ids, second.ids);
  assert.equal(first.seed, 7);
  assert.equal(first.logProbs.length, first.ids.length);
  for (const value of first.logProbs) assert.ok(value <= 0 && Number.isFinite(value));
});

test("scores agree with the reference", async () => {
  for (const prompt of prompts.slice(0, 2)) {
    const { tokenNll, ids } = await page.call("score", prompt.prompt);
    assert.deepEqual(ids, prompt.ids);
    assertClose(tokenNll, prompt.token_nll, 0.005, "token_nll");
  }
});

test("an aborted generation says so and leaves the model usable", async () => {
  const { failed, result } = await page.call("generateAborted", prompts[1].prompt, 3);
  assert.equal(failed.code, "aborted");
  assert.equal(result.reason, "aborted");
  assert.ok(result.ids.length >= 3 && result.ids.length < 500);
  const again = await page.call("generate", prompts[0].prompt, { temperature: 0, maxTokens: 4 });
  assert.deepEqual(again.ids, prompts[0].greedy_ids.slice(0, 4));
});

test("one generation runs at a time", async () => {
  assert.equal((await page.call("busyFailure", prompts[1].prompt)).code, "busy");
});

test("bad arguments are refused by name", async () => {
  const options = [{ temperature: -1 }, { topP: 2 }, { maxTokens: -1 }, { repetitionPenalty: 0 }];
  for (const wrong of options) {
    const failed = await page.call("generateFailure", "a", wrong);
    assert.equal(failed?.code, "invalid-argument", JSON.stringify(wrong));
  }
});

test("a prompt longer than the context is refused, and the context's end is a reason", async () => {
  await page.call("load", SMOLLM2, { contextLength: 16 });
  const failed = await page.call("generateFailure", "word ".repeat(40), { maxTokens: 4 });
  assert.equal(failed.code, "prompt-too-long");
  const full = await page.call("generate", prompts[1].prompt, { temperature: 0, maxTokens: 48 });
  assert.equal(full.reason, "context");
});

test("a load can be aborted in each phase, and works afterwards", async () => {
  assert.equal((await page.call("loadAborted", SMOLLM2, "load")).code, "aborted");
  await page.call("cacheClear");
  const hits = page.server.hits(SMOLLM2);
  assert.equal((await page.call("loadAborted", SMOLLM2, "download")).code, "aborted");
  const { events } = await page.call("load", SMOLLM2);
  assert.ok(events.some(({ fromCache }) => !fromCache));
  assert.ok(page.server.hits(SMOLLM2) === hits + 2, "the cleared file is downloaded again");
});

test("a file whose hash differs is refused", async () => {
  const failed = await page.call("loadFailure", SMOLLM2, { sha256: "0".repeat(64) });
  assert.equal(failed.code, "integrity");
});

test("a disposed model says so", async () => {
  assert.equal((await page.call("useAfterDispose")).code, "disposed");
});

test("embeddings agree with the reference, empty and over-long texts included", async () => {
  const { cases } = await reference("all-minilm-l6-v2");
  const { ids, vectors, info } = await page.call(
    "embed",
    `/models/${models.minilm}`,
    cases.map(({ text }) => text),
  );
  assert.equal(info.hiddenSize, 384);
  for (const [index, wanted] of cases.entries()) {
    assert.deepEqual(ids[index], wanted.ids, wanted.text);
    assertClose(
      vectors[index],
      wanted.embedding,
      1e-4,
      `embedding of ${JSON.stringify(wanted.text.slice(0, 30))}`,
    );
  }
});

test("it also runs in the page itself, without a worker, from bytes in hand", async () => {
  await page.call("create", { device: "cpu", worker: false });
  await page.call("loadBlob", SMOLLM2);
  const result = await page.call("generate", prompts[0].prompt, { temperature: 0, maxTokens: 8 });
  assert.deepEqual(result.ids, prompts[0].greedy_ids.slice(0, 8));
});

test("nothing was thrown that nobody caught", () => {
  assert.deepEqual(page.problems, []);
});
