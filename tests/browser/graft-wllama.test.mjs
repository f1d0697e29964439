// A grafted model, written as GGUF by the page, in an independent runtime: llama.cpp as wllama compiles it.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { openPackagePage } from "../support/package-page.mjs";
import { models } from "../support/paths.mjs";

/**
 * Prompts after which the likeliest token leads clearly. llama.cpp rounds activations to 8 bits, so that on closer calls
 * it writes something else than transformers and this engine with the original model too. And digits are exact ties:
 * "2", "22" and "222" are made of the same row by fvt.
 */
const PROMPTS = ["def add(a, b):\n    return", "Once upon a time", "The United States of America"];
const TOKENS = 12;

let page;

before(async () => {
  page = await openPackagePage();
  await page.call("create", { device: "cpu" });
  await page.call("load", `/models/${models.smollm2}`);
});
after(async () => {
  await page?.close();
});

for (const name of ["llama3", "qwen3"]) {
  test(`${name}: the exported GGUF loads in wllama and writes the same greedy text`, async () => {
    await page.call("graft", `/models/tokenizers/${name}/tokenizer.json`, { method: "fvt" });
    const ours = [];
    for (const prompt of PROMPTS) {
      const options = { temperature: 0, maxTokens: TOKENS };
      const { text, read } = await page.call("generateGrafted", prompt, options);
      ours.push({ text, read });
    }
    const size = await page.call("keepExported");
    assert.ok(size > 100e6, `${size} bytes`);
    assert.deepEqual(await page.call("writeInWllama", PROMPTS, TOKENS), ours);
    assert.deepEqual(page.problems, []);
  });
}
