// Grafting on WebGPU, here Chromium's software adapter: the rows that are made there, and the model that reads them.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { openPackagePage } from "../support/package-page.mjs";
import { models } from "../support/paths.mjs";
import { someMerges, tinyTokenizer } from "../support/tiny-tokenizer.mjs";

const TINY = tinyTokenizer(someMerges);
const LLAMA3 = "/models/tokenizers/llama3/tokenizer.json";
const HYPERNETWORK = "/hypernetwork/smollm2-135m.safetensors";
const TEXT = "All human beings are free and equal; fzkq and qzxv are words of nobody.";
const PROMPT = "The capital of France is";
const GREEDY = { temperature: 0, maxTokens: 4 };
const METHODS = [
  { method: "fvt" },
  { method: "fvt+first-piece" },
  { method: "hypernetwork", hypernetwork: HYPERNETWORK },
];

/** What the CPU path says of the text under each method. */
const onCpu = {};
let page;

before(async () => {
  page = await openPackagePage({ webgpu: true });
  await page.call("create", { device: "cpu" });
  await page.call("load", `/models/${models.smollm2}`);
  for (const options of METHODS) {
    await page.call("graftText", TINY, options);
    onCpu[options.method] = await page.call("scoreGrafted", TEXT);
  }
  const { kind } = await page.call("create", { device: "webgpu" });
  assert.equal(kind, "webgpu");
  await page.call("load", `/models/${models.smollm2}`);
});
after(async () => {
  await page?.close();
});

for (const options of METHODS) {
  test(`${options.method} makes the rows that the CPU path makes`, async () => {
    const { report } = await page.call("graftText", TINY, options);
    assert.ok(report.made > 5);
    const { bitsPerByte, tokens } = await page.call("scoreGrafted", TEXT);
    const wanted = onCpu[options.method];
    assert.equal(tokens, wanted.tokens);
    assert.ok(
      Math.abs(bitsPerByte - wanted.bitsPerByte) < 0.01,
      `${bitsPerByte} bits per byte, ${wanted.bitsPerByte} on the CPU path`,
    );
  });
}

test("the methods differ, so that a wrong row would be seen", () => {
  const [plain, headed, predicted] = METHODS.map(({ method }) => onCpu[method].bitsPerByte);
  assert.ok(Math.abs(plain - headed) > 0.05 && Math.abs(plain - predicted) > 0.05, JSON.stringify(onCpu));
});

test("Llama 3's tokens: the graft writes, and its export loads on the device again", async () => {
  const { info } = await page.call("graft", LLAMA3, { method: "fvt" });
  assert.equal(info.vocabSize, 128256);
  const written = await page.call("generateGrafted", PROMPT, GREEDY);
  assert.match(written.text, /^ Paris/);
  const gguf = await page.call("exported", { format: "gguf" }, { prompt: PROMPT, options: GREEDY });
  assert.equal(gguf.text, written.text);
  assert.deepEqual(page.problems, []);
});
