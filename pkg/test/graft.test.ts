import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { LanguageModelClient } from "../src/language-model.js";
import { TokenizerClient } from "../src/tokenizer.js";
import type { GraftProgress } from "../src/types.js";
import { rejectsWith } from "./support/expect-error.js";
import { connect, FakeModel, FakeTokenizer, fakeModule } from "./support/fake-engine.js";

const json = new Blob(["a tokenizer"]);

beforeEach(() => {
  FakeTokenizer.living = 0;
});

async function load() {
  const model = new FakeModel(["a"]);
  const { client } = connect(fakeModule({ model }));
  await client.call("create", { device: "cpu", wasmUrl: {}, pageHasWebGpu: false });
  const weights = { kind: "blob", blob: new Blob(["w"]) } as const;
  const { handle, info } = await client.call("loadLanguageModel", { weights });
  return { model, client, lm: new LanguageModelClient(client, handle, info) };
}

async function tokenizerOf(client: Awaited<ReturnType<typeof load>>["client"]) {
  const { handle, info } = await client.call("loadTokenizer", { source: { kind: "blob", blob: json } });
  return new TokenizerClient(client, handle, info);
}

test("a graft is a model of its own, and tells what became of the tokens", async () => {
  const { lm, model } = await load();
  const progress: GraftProgress[] = [];
  const grafted = await lm.graft(json, { onProgress: (event) => progress.push(event) });
  assert.deepEqual(grafted.report, { method: "fvt", tokens: 11, shared: 1, special: 0, made: 2 });
  assert.deepEqual(progress[0], { phase: "rows", done: 0, total: 3 });
  assert.deepEqual(progress.at(-1), { phase: "rows", done: 3, total: 3 });
  assert.equal((await grafted.generate("p").result).text, "a");
  // The tokenizer was read for the graft alone.
  assert.equal(FakeTokenizer.living, 0);
  await lm.dispose();
  assert.equal(model.freed, true);
  assert.equal((await grafted.generate("p").result).text, "a");
  await grafted.dispose();
  assert.equal(model.grafts[0]?.freed, true);
});

test("what a method needs reaches the engine", async () => {
  const { lm, model } = await load();
  await lm.graft(json, { method: "hypernetwork", hypernetwork: new Uint8Array([1, 2]), lossy: true });
  const given = model.grafts[0]?.graftedFrom;
  assert.equal(given?.method, "hypernetwork");
  assert.equal(given?.hypernetwork?.size, 2);
  assert.equal(given?.lossy, true);
});

test("a tokenizer serves alone, and for several grafts", async () => {
  const { lm, client } = await load();
  const tokenizer = await tokenizerOf(client);
  assert.deepEqual(tokenizer.info, { vocabSize: 11, loss: undefined });
  const { ids, ends } = await tokenizer.segment("é!");
  assert.deepEqual([...ids], [0xc3, 0xa9, 0x21]);
  assert.deepEqual([...ends], [1, 2, 3]);
  assert.deepEqual([...(await lm.segment("ab")).ends], [1, 2]);
  assert.equal(await tokenizer.detokenize(await tokenizer.tokenize("ab")), "ab");
  await lm.graft(tokenizer);
  await lm.graft(tokenizer, { method: "mean" });
  assert.equal(FakeTokenizer.living, 1);
  await tokenizer.dispose();
  assert.equal(FakeTokenizer.living, 0);
  await rejectsWith(lm.graft(tokenizer), "disposed");
  const other = await load();
  await rejectsWith(other.lm.graft(await tokenizerOf(client)), "invalid-argument");
});

test("a graft can be aborted, and leaves nothing behind", async () => {
  const { lm, model } = await load();
  model.graftBatches = 10_000;
  const abort = new AbortController();
  const onProgress = ({ done }: GraftProgress) => {
    if (done > 0) abort.abort();
  };
  await rejectsWith(lm.graft(json, { signal: abort.signal, onProgress }), "aborted");
  // The queue is free again when the engine has stopped.
  assert.equal((await lm.generate("p").result).text, "a");
  assert.equal(model.grafts.length, 0);
  assert.equal(FakeTokenizer.living, 0);
});

test("errors of the engine keep their code, and free what was read", async () => {
  const { lm } = await load();
  await rejectsWith(lm.graft(new Blob(["{}"])), "bad-tokenizer");
  await rejectsWith(lm.graft(json, { method: "magic" as "fvt" }), "invalid-argument");
  await rejectsWith(lm.graft(7 as unknown as Blob), "invalid-argument");
  const generation = lm.generate("p");
  await rejectsWith(lm.graft(json), "busy");
  await generation.result;
  assert.equal(FakeTokenizer.living, 0);
});

test("an export is files with names, and can be aborted", async () => {
  const { lm } = await load();
  const grafted = await lm.graft(json);
  const told: { done: number; total: number }[] = [];
  const [file] = await grafted.export({ onProgress: (event) => told.push(event) });
  assert.equal(file?.name, "model.gguf");
  assert.equal(await file?.text(), "bytes");
  assert.deepEqual(told.at(-1), { done: 3, total: 3 });
  const [other] = await grafted.export({ format: "safetensors" });
  assert.equal(other?.name, "model.safetensors");
  const abort = new AbortController();
  const aborted = grafted.export({ signal: abort.signal, onProgress: () => abort.abort() });
  await rejectsWith(aborted, "aborted");
});
