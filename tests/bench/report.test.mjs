// The arithmetic and the page of the benchmark, without a browser.
import assert from "node:assert/strict";
import { test } from "node:test";
import { bars } from "./markdown.mjs";
import { report } from "./report.mjs";
import { firstTokenSection } from "./report-decoder.mjs";
import { cosine, summary } from "./statistics.mjs";

const sizes = { cpu: { raw: 4 << 20, gzip: 2 << 20, brotli: 1 << 20 } };
const common = { date: "2026-01-02", machine: "2 x processor", browser: "1.2", rounds: 2, sizes };

test("the median of odd and even counts", () => {
  assert.deepEqual(summary([9, 100, 10]), { median: 10, lowest: 9, highest: 100 });
  assert.deepEqual(summary([4, 1, 2, 3]), { median: 2.5, lowest: 1, highest: 4 });
});

test("the cosine is of the angle, whatever the lengths", () => {
  assert.equal(cosine([1, 0], [5, 0]), 1);
  assert.equal(cosine([1, 0], [0, 2]), 0);
  assert.ok(Math.abs(cosine([1, 1], [1, 0]) - Math.SQRT1_2) < 1e-12);
  assert.throws(() => cosine([1], [1, 2]));
});

test("bars are in proportion, and none is empty", () => {
  const lines = bars(
    [
      { name: "a", value: 40 },
      { name: "bbb", value: 20 },
      { name: "c", value: 0.01 },
    ],
    1,
    10,
  ).split("\n");
  assert.deepEqual(lines.slice(1, -1), ["a    ██████████ 40.0", "bbb  █████ 20.0", "c    █ 0.0"]);
});

test("the encoder's section says how many times faster, and how alike", () => {
  const side = (name, factor, setup) => ({
    name,
    setup: { loadMs: 1000, threads: 1, ...setup },
    measured: [
      { sentenceMs: 10 * factor, batchMs: 100 * factor },
      { sentenceMs: 20 * factor, batchMs: 300 * factor },
    ],
  });
  const encoder = {
    model: "all-MiniLM-L6-v2, float32",
    tokens: [31, 28, 33],
    pairs: [
      {
        ours: side("Lexigraft", 1, { device: { adapter: "SIMD128" } }),
        peer: side("transformers.js", 3, { version: "4.3.1", kind: "cpu" }),
        cosine: 0.9999999,
      },
    ],
  };
  const text = report({ ...common, encoder });
  assert.match(text, /\| Lexigraft \| SIMD128 \| 15\.0 \(10\.0 to 20\.0\) \| 200\.0 \(100\.0 to 300\.0\) \|/);
  assert.match(text, /\| transformers\.js \| transformers\.js 4\.3\.1, wasm, 1 thread \| 45\.0/);
  assert.match(text, /3\.00 times the speed on one sentence, 3\.00 times on the batch/);
  assert.match(text, /cosine is at least 1\.000000/);
  assert.match(text, /one sentence of 31 tokens, and 3 of 28 to 33/);
  assert.doesNotMatch(text, /## Text|NaN|undefined/);
});

test("the decoder's section pairs contestants by their threads", () => {
  const contestant = (name, speed, setup) => ({
    name,
    setup,
    measured: [1, 2].map(() => ({
      tokensPerSecond: speed,
      firstTokenMs: 500,
      text: "the same",
      prefill: { promptTokens: 128, firstTokenMs: 128_000 / (speed * 2) },
    })),
  });
  const decoder = {
    model: "SmolLM2",
    prompt: "What?",
    tokens: 8,
    contestants: [
      contestant("Lexigraft, 1 thread", 40, { device: { adapter: "SIMD128" } }),
      contestant("wllama, 1 thread", 10, { threads: 1, multithread: false }),
      contestant("Lexigraft, 2 threads", 60, { device: { adapter: "SIMD128, 2 threads" } }),
      contestant("wllama, 2 threads", 20, { threads: 2, multithread: true }),
    ],
    firstToken: [
      { name: "Lexigraft", measured: [1000] },
      { name: "wllama", measured: [4000] },
    ],
    weights: { bytes: 1e8, products: 1e8, prefillProducts: 5e7 },
    loading: {
      limits: { bytes: 1e10, products: 2e10 },
      download: { loadMs: 1000, createMs: 100 },
      cached: { loadMs: 500 },
      fileBytes: 1 << 20,
      residentBytes: 1 << 20,
      wasmBytes: 3 << 20,
    },
  };
  const text = report({ ...common, decoder });
  assert.match(text, /Lexigraft, 1 thread, beside wllama, 1 thread: 4\.00 times/);
  assert.match(text, /Lexigraft, 2 threads, beside wllama, 2 threads: 3\.00 times/);
  assert.match(text, /\| Lexigraft, 1 thread \| SIMD128 \| 40\.0 \(40\.0 to 40\.0\) \| 80\.0/);
  assert.match(text, /All wrote the same text\./);
  assert.match(text, /weights read \| 4\.0 GB\/s \| 10\.0 GB\/s \| 40 % \|/);
  assert.match(text, /prefill: multiplications and additions \| 4\.0 G\/s \| 20\.0 G\/s \| 20 % \|/);
  assert.match(text, /working set\) \| 1\.50 \|/);
  assert.doesNotMatch(text, /## Sentence|NaN|undefined/);
});

test("the first token's section says what share of the peer's time it takes", () => {
  const text = firstTokenSection([
    { name: "Lexigraft", measured: [1000, 1200, 1100] },
    { name: "wllama", measured: [4000, 4400, 5000] },
  ]);
  assert.match(text, /\| Lexigraft \| 1\.10 \(1\.00 to 1\.20\) \|/);
  assert.match(text, /0\.25 times the peer's time/);
});
