// The package in Node, without any browser: the CPU engine, files from the disk, the reference's tokens.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { relative } from "node:path";
import { after, before, test } from "node:test";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { Worker } from "node:worker_threads";
import { Lexigraft, LexigraftError } from "lexigraft/node";
import { assertClose } from "../support/compare.mjs";
import { folders, models, reference } from "../support/paths.mjs";

const file = `${folders.models}/${models.smollm2}`;
const { prompts, tokenizer } = await reference("smollm2-135m-instruct-q4_1");
const greedy = { maxTokens: 16, temperature: 0 };
let lexigraft;
let lm;

before(async () => {
  lexigraft = await Lexigraft.create({ threads: 2 });
  lm = await lexigraft.languageModel(file);
});
after(async () => {
  await lexigraft?.dispose();
});

async function failure(work) {
  try {
    await work();
  } catch (error) {
    assert.ok(error instanceof LexigraftError, String(error));
    return error;
  }
  assert.fail("it did not fail");
}

test("the engine has a thread of its own, and a helper", () => {
  assert.equal(lexigraft.device.kind, "cpu");
  assert.equal(lexigraft.device.threads, 2);
  assert.match(lexigraft.device.reason, /Node has no WebGPU/);
  assert.equal(lm.info.vocabSize, 49152);
});

test("tokens and greedy text are the reference's, and stream", async () => {
  for (const { text, ids } of tokenizer.slice(0, 20)) assert.deepEqual([...(await lm.tokenize(text))], ids);
  for (const { prompt, greedy_ids, greedy_text } of prompts.slice(0, 2)) {
    let streamed = "";
    const answer = lm.generate(prompt, greedy);
    for await (const piece of answer) streamed += piece.text;
    const { ids, text } = await answer.result;
    assert.deepEqual([...ids], greedy_ids.slice(0, 16));
    assert.equal(streamed, text);
    assert.ok(greedy_text.startsWith(text));
  }
});

test("the caller's thread is free while it writes", async () => {
  let ticks = 0;
  const timer = setInterval(() => {
    ticks += 1;
  }, 5);
  const started = performance.now();
  await lm.generate(prompts[1].prompt, greedy).result;
  clearInterval(timer);
  const possible = (performance.now() - started) / 5;
  assert.ok(ticks > possible / 4, `${ticks} of ${possible.toFixed(0)} ticks`);
});

test("an abort stops it, and it goes on", async () => {
  const stop = new AbortController();
  const answer = lm.generate(prompts[1].prompt, { ...greedy, maxTokens: 500, signal: stop.signal });
  const failed = await failure(async () => {
    for await (const _ of answer) stop.abort();
  });
  assert.equal(failed.code, "aborted");
  assert.equal((await answer.result).reason, "aborted");
});

test("a relative path, a file: URL, a Blob and bytes are sources", async () => {
  const bytes = await readFile(file);
  const sources = [
    relative(process.cwd(), file),
    pathToFileURL(file),
    new Blob([bytes]),
    new Uint8Array(bytes),
  ];
  for (const source of sources) {
    const model = await lexigraft.languageModel(source);
    const { ids } = await model.generate(prompts[0].prompt, { ...greedy, maxTokens: 3 }).result;
    assert.deepEqual([...ids], prompts[0].greedy_ids.slice(0, 3));
    await model.dispose();
  }
});

test("embeddings are the reference's", async () => {
  const { cases } = await reference("all-minilm-l6-v2");
  const encoder = await lexigraft.encoder(`${folders.models}/${models.minilm}`);
  const some = cases.filter(({ text }) => text.length < 400);
  const vectors = await encoder.embed(some.map(({ text }) => text));
  for (const [at, vector] of vectors.entries()) assertClose(vector, some[at].embedding, 1e-4, some[at].text);
  await encoder.dispose();
});

test("a graft reads its tokenizer from a path", async () => {
  const grafted = await lm.graft(`${folders.models}/tokenizers/llama3/tokenizer.json`, { method: "fvt" });
  assert.equal(grafted.report.tokens, 128_256);
  await grafted.dispose();
});

test("what is wrong with a file or an option has a code", async () => {
  const languageModel = (source, options) => lexigraft.languageModel(source, options);
  assert.equal((await failure(() => languageModel("no/such/file.gguf"))).code, "not-found");
  assert.equal((await failure(() => languageModel(folders.models))).code, "not-found");
  assert.equal((await failure(() => languageModel(new URL(import.meta.url)))).code, "unsupported-format");
  assert.equal((await failure(() => languageModel(file, { sha256: "0".repeat(64) }))).code, "integrity");
  assert.equal((await failure(() => Lexigraft.create({ device: "webgpu" }))).code, "no-webgpu");
  assert.equal((await failure(() => Lexigraft.create({ workerUrl: "x.js" }))).code, "invalid-argument");
});

test("it also runs in the caller's own thread", async () => {
  const here = await Lexigraft.create({ worker: false });
  assert.equal(here.device.threads, 1);
  const model = await here.languageModel(file);
  const { ids } = await model.generate(prompts[0].prompt, { ...greedy, maxTokens: 8 }).result;
  assert.deepEqual([...ids], prompts[0].greedy_ids.slice(0, 8));
  await here.dispose();
});

test("a program that forgets to dispose ends, and a disposed model says so", async () => {
  const program = `
    import { Lexigraft } from "lexigraft/node";
    const lexigraft = await Lexigraft.create({ threads: 2 });
    const lm = await lexigraft.languageModel(${JSON.stringify(file)});
    const { ids } = await lm.generate(${JSON.stringify(prompts[0].prompt)}, ${JSON.stringify(greedy)}).result;
    console.log(JSON.stringify([...ids]));`;
  const options = { cwd: folders.root, timeout: 60_000 };
  const run = promisify(execFile)(process.execPath, ["--input-type=module", "--eval", program], options);
  assert.deepEqual(JSON.parse((await run).stdout), prompts[0].greedy_ids.slice(0, 16));

  const gone = await lexigraft.languageModel(file);
  await gone.dispose();
  assert.equal((await failure(() => gone.tokenize("a"))).code, "disposed");
});

test("a thread that ends in the middle of a text is worker-failed, and a new one writes", async () => {
  const { postMessage } = Worker.prototype;
  let thread;
  Worker.prototype.postMessage = function (...values) {
    thread = this;
    return postMessage.apply(this, values);
  };
  const mortal = await Lexigraft.create({ threads: 1 });
  Worker.prototype.postMessage = postMessage;
  const model = await mortal.languageModel(file);
  const during = await failure(async () => {
    for await (const _ of model.generate(prompts[0].prompt, { maxTokens: 400 })) await thread.terminate();
  });
  assert.equal(during.code, "worker-failed");
  assert.match(during.message, /has ended, with exit code 1/);
  assert.equal((await failure(() => model.tokenize("text"))).code, "worker-failed");
  await mortal.dispose();
  const other = await Lexigraft.create({ threads: 1 });
  const again = await other.languageModel(file);
  const { ids } = await again.generate(prompts[0].prompt, greedy).result;
  assert.deepEqual([...ids], prompts[0].greedy_ids.slice(0, 16));
  await other.dispose();
});
