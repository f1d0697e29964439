// Grafting in the browser, on the real model and a real tokenizer.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { largestRenderer } from "../bench/process-memory.mjs";
import { openPackagePage } from "../support/package-page.mjs";
import { folders, models } from "../support/paths.mjs";
import { someMerges, tinyTokenizer } from "../support/tiny-tokenizer.mjs";

const LLAMA3 = "/models/tokenizers/llama3/tokenizer.json";
const HYPERNETWORK = "/hypernetwork/smollm2-135m.safetensors";
const TEXT =
  "All human beings are born free and equal in dignity and rights. They are endowed with reason and conscience and " +
  "should act towards one another in a spirit of brotherhood.\nAlle Menschen sind frei und gleich an Würde und " +
  "Rechten geboren. Sie sind mit Vernunft und Gewissen begabt und sollen einander im Geist der Brüderlichkeit " +
  "begegnen.\ndef mean(values: list[float]) -> float:\n    return sum(values) / len(values)\n";
/** What `lexigraft score --graft … --device cpu` said of the text natively. */
const NATIVE = { original: 1.2587, fvt: 2.1791, tinyFirstPiece: 7.6805 };
const TINY = tinyTokenizer(someMerges);
const GREEDY = { temperature: 0, maxTokens: 12 };
const PROMPT = "The capital of France is";
/** The floor of the issue: 128k tokens, and what a page may take for them. */
const MOST_SECONDS = 90;
const MOST_BYTES = 700e6;
/** The engine's own memory. Were the grafted rows kept there beside the device's copy, it would hold 400 MB. */
const MOST_ENGINE_BYTES = 350e6;

let page;

before(async () => {
  page = await openPackagePage();
  await page.call("create", { device: "cpu" });
  await page.call("load", `/models/${models.smollm2}`);
});
after(async () => {
  await page?.close();
});

const close = (value, wanted, tolerance, what) =>
  assert.ok(Math.abs(value - wanted) <= tolerance, `${what}: ${value}, not ${wanted}`);

test("a tokenizer alone cuts a text, to the byte", async () => {
  assert.deepEqual(await page.call("loadTokenizer", LLAMA3), { vocabSize: 128256, loss: undefined });
  const text = "Grüße 😀 walking";
  const other = await page.call("segment", text);
  assert.deepEqual(other.pieces, ["Gr", "ü", "ße", " 😀", " walking"]);
  // SmolLM2 has no token of this character: it is cut inside.
  const own = await page.call("segmentModel", text);
  assert.deepEqual(own.ends, [2, 4, 6, 7, 11, 12, 20]);
  assert.equal(own.ids.length, 7);
});

test("Llama 3's tokens by fvt: soon, told on the way, in little memory", async (t) => {
  const grafted = await page.call("graft", LLAMA3, { method: "fvt" });
  assert.deepEqual(grafted.report, { method: "fvt", tokens: 128256, shared: 39310, special: 3, made: 88690 });
  assert.equal(grafted.info.vocabSize, 128256);
  assert.ok(grafted.seconds < MOST_SECONDS, `${grafted.seconds} s`);
  // The cache has had the file since it was read alone.
  const phases = ["verify", "source", "tokenizer", "prepare", "rows", "move"];
  assert.deepEqual(Object.keys(grafted.phases), phases);
  const { done, total } = grafted.phases.rows;
  assert.equal(done, 128256);
  assert.equal(total, 128256);
  // Twice a second on a quiet machine; a busy one reads the tokenizer's file in a few times that.
  assert.ok(grafted.gap < 2500, `nothing was told for ${grafted.gap} ms`);
  assert.ok(grafted.longestTask <= 100, `the page stood still for ${grafted.longestTask} ms`);
  assert.ok(grafted.memory.wasmBytes < MOST_ENGINE_BYTES, `${grafted.memory.wasmBytes} bytes`);
  const renderer = await largestRenderer(page.context);
  assert.ok((renderer?.peak ?? 0) < MOST_BYTES, `${renderer?.peak} bytes`);
  t.diagnostic(
    `${grafted.seconds.toFixed(1)} s, at most ${grafted.gap.toFixed(0)} ms between reports, longest task ` +
      `${grafted.longestTask.toFixed(0)} ms, engine ${(grafted.memory.wasmBytes / 1e6).toFixed(0)} MB, process at ` +
      `its peak ${((renderer?.peak ?? 0) / 1e6).toFixed(0)} MB`,
  );
});

test("the graft takes fewer tokens and as many bits as natively", async () => {
  const original = await page.call("score", TEXT);
  const grafted = await page.call("scoreGrafted", TEXT);
  assert.equal(original.tokens, 118);
  assert.equal(grafted.tokens, 96);
  assert.equal(grafted.bytes, original.bytes);
  close(original.bitsPerByte, NATIVE.original, 0.01, "original");
  close(grafted.bitsPerByte, NATIVE.fvt, 0.02, "graft");
});

test("it writes, chats, goes byte by byte, and joins the original", async () => {
  const { text, ids } = await page.call("generateGrafted", PROMPT, GREEDY);
  assert.match(text, /^ Paris/);
  // Ids of Llama 3: " Paris" and ".".
  assert.deepEqual(ids.slice(0, 2), [12366, 13]);
  const chat = await page.call("chatGrafted", [{ role: "user", content: "Say hello." }], {
    temperature: 0,
    maxTokens: 8,
  });
  assert.ok(chat.length > 0);
  const { alone, both } = await page.call("bytesGrafted", "The capital of Fra", {
    temperature: 0,
    maxBytes: 12,
  });
  assert.match(alone, /^nce is Paris/);
  assert.match(both, /^nce is Paris/);
});

test("it is written as GGUF and as safetensors, and both load again", async () => {
  const written = await page.call("generateGrafted", PROMPT, GREEDY);
  const gguf = await page.call("exported", { format: "gguf" }, { prompt: PROMPT, options: GREEDY });
  assert.deepEqual(
    gguf.files.map(({ name, first }) => [name, first]),
    [["model.gguf", "GGUF"]],
  );
  assert.equal(gguf.told, 1);
  assert.equal(gguf.text, written.text);
  const safetensors = await page.call(
    "exported",
    { format: "safetensors" },
    { prompt: PROMPT, options: GREEDY },
  );
  assert.deepEqual(
    safetensors.files.map(({ name }) => name),
    ["model.safetensors", "config.json", "tokenizer_config.json", "tokenizer.json"],
  );
  assert.ok(safetensors.files[0].size > gguf.files[0].size);
  assert.match(safetensors.text, /^ Paris/);
  assert.equal((await page.call("exportFailure", { format: "pickle" })).code, "invalid-argument");
});

test("a graft can be aborted, and the model works on", async () => {
  const { failed, milliseconds } = await page.call("graftAborted", LLAMA3, { method: "fvt" }, "rows", 8192);
  assert.equal(failed.code, "aborted");
  assert.ok(milliseconds < 5000, `${milliseconds} ms`);
  assert.match((await page.call("generateGrafted", PROMPT, GREEDY)).text, /^ Paris/);
});

test("a head of first pieces gives as many bits as natively, and GGUF has no place for it", async () => {
  const grafted = await page.call("graftText", TINY, { method: "fvt+first-piece" });
  assert.ok(grafted.report.made > 5 && grafted.phases.prepare.total > 5);
  close((await page.call("scoreGrafted", TEXT)).bitsPerByte, NATIVE.tinyFirstPiece, 0.015, "first pieces");
  assert.equal((await page.call("exportFailure", { format: "gguf" })).code, "invalid-argument");
});

test("the hypernetwork makes rows and a head, which an export keeps", async () => {
  const plain = await page.call("graftText", TINY, { method: "fvt" });
  const { text } = await page.call("generateGrafted", PROMPT, GREEDY);
  const grafted = await page.call("graftText", TINY, { method: "hypernetwork", hypernetwork: HYPERNETWORK });
  assert.equal(grafted.report.made, plain.report.made);
  // Its head is its own.
  assert.ok(grafted.info.residentBytes > plain.info.residentBytes);
  const written = await page.call("generateGrafted", PROMPT, GREEDY);
  assert.ok(text.length > 0 && written.text.length > 0);
  const gguf = await page.call("exported", { format: "gguf" }, { prompt: PROMPT, options: GREEDY });
  assert.equal(gguf.text, written.text);
});

test("what cannot be grafted has its code", async () => {
  const text = async (json, options) => (await page.call("graftTextFailure", json, options))?.code;
  assert.equal(await text("{}"), "bad-tokenizer");
  assert.equal(await text("no json"), "bad-tokenizer");
  assert.equal((await page.call("tokenizerFailure", '{"version":"1.0"}')).code, "bad-tokenizer");
  const minilm = `/models/${models.minilm}/tokenizer.json`;
  const lossy = await page.call("graftFailure", minilm);
  assert.equal(lossy.code, "unsupported-tokenizer");
  assert.match(lossy.message, /capital letters/);
  assert.equal(await page.call("graftFailure", minilm, { lossy: true }), undefined);
  const failed = async (options) => (await page.call("graftFailure", LLAMA3, options))?.code;
  assert.equal(await failed({ method: "magic" }), "invalid-argument");
  assert.equal(await failed({ method: "hypernetwork" }), "invalid-argument");
  assert.equal(await failed({ method: "hypernetwork", hypernetwork: LLAMA3 }), "unsupported-format");
  assert.equal(
    await failed({ method: "hypernetwork", hypernetwork: `/models/${models.minilm}/model.safetensors` }),
    "bad-config",
  );
  assert.equal((await page.call("graftAgainFailure", LLAMA3)).code, "invalid-argument");
});

test("a hypernetwork of another base model is refused", async () => {
  const file = await readFile(join(folders.hypernetworks, "smollm2-135m.safetensors"));
  const length = Number(file.readBigUInt64LE(0));
  const header = file.toString("latin1", 8, 8 + length);
  const of = /\\"base\\":\\"([0-9a-f]{16})\\"/.exec(header)?.[1];
  assert.ok(of, "the file names its base model");
  const other = Buffer.from(file);
  other.write("0".repeat(16), 8 + header.indexOf(of), "latin1");
  const failed = await page.call("graftWithBytesFailure", LLAMA3, other.toString("base64"));
  assert.equal(failed.code, "wrong-base-model");
});

test("the graft lives on without the original, and its memory is used again", async () => {
  await page.call("graft", LLAMA3, { method: "fvt" });
  assert.match(await page.call("disposeModelBeforeGraft", PROMPT, GREEDY), /^ Paris/);
  const before = await page.call("disposeGraft");
  await page.call("load", `/models/${models.smollm2}`);
  await page.call("graft", LLAMA3, { method: "fvt" });
  const again = await page.call("disposeGraft");
  assert.ok(again <= before + 64e6, `the engine grew from ${before} to ${again} bytes`);
  assert.deepEqual(page.problems, []);
});
