// What a token costs on WebGPU in numbers that no machine changes: calls into the browser's own API,
// counted from outside the package.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { openPackagePage } from "../support/package-page.mjs";
import { models, reference } from "../support/paths.mjs";

const { prompts } = await reference("smollm2-135m-instruct-q4_1");
const LAYERS = 30;
let page;

before(async () => {
  page = await openPackagePage({ webgpu: true });
  await page.call("countedGpu");
  await page.call("create", { device: "webgpu", worker: false });
  await page.call("load", `/models/${models.smollm2}`);
});
after(async () => {
  await page?.close();
});

/** The calls of each token after the prompt, once everything is warm. */
async function perToken(options, tokens = 4) {
  const counted = async (maxTokens) => {
    const before = await page.call("countedGpu");
    await page.call("generate", prompts[0].prompt, { ...options, maxTokens });
    const after = await page.call("countedGpu");
    return Object.fromEntries(Object.entries(after).map(([name, value]) => [name, value - before[name]]));
  };
  // The first generations of each length still grow CubeCL's pool.
  for (const length of [1 + tokens, 1, 1 + tokens]) await counted(length);
  const [short, long] = [await counted(1), await counted(1 + tokens)];
  return Object.fromEntries(
    Object.entries(long).map(([name, value]) => [name, (value - short[name]) / tokens]),
  );
}

test("a greedy token is five launches a layer and one readback of four bytes, and makes nothing new", async (t) => {
  const counts = await perToken({ temperature: 0 });
  t.diagnostic(JSON.stringify(counts));
  assert.equal(counts.dispatches, 5 * LAYERS + 4);
  assert.equal(counts.passes, 1);
  // CubeCL sends off what was launched, then the copy to read it: nobody waits in between.
  assert.equal(counts.submissions, 2);
  assert.equal(counts.writes, 1);
  assert.equal(counts.readbacks, 1);
  assert.equal(counts.bytesReadBack, 4);
  assert.equal(counts.shaders, 0);
  assert.equal(counts.pipelines, 0);
  assert.equal(counts.buffers, 0);
});

test("four greedy tokens can share a write, two submissions and a readback", async (t) => {
  const counts = await perToken({ temperature: 0, lookahead: 4 });
  t.diagnostic(JSON.stringify(counts));
  assert.equal(counts.dispatches, 5 * LAYERS + 4);
  assert.equal(counts.submissions, 2 / 4);
  assert.equal(counts.writes, 1 / 4);
  assert.equal(counts.readbacks, 1 / 4);
  assert.equal(counts.bytesReadBack, 4);
  assert.equal(counts.buffers + counts.shaders + counts.pipelines, 0);
});

test("a drawn token reads back the likeliest alone", async (t) => {
  const counts = await perToken({ temperature: 0.7, seed: 3 });
  t.diagnostic(JSON.stringify(counts));
  assert.equal(counts.readbacks, 1);
  assert.equal(counts.bytesReadBack, 8 * 40);
  assert.equal(counts.buffers + counts.shaders + counts.pipelines, 0);
});

test("texts of as many tokens share their launches and a readback", async (t) => {
  const counted = async (texts) => {
    const before = await page.call("countedGpu");
    await page.call("embed", `/models/${models.minilm}`, texts);
    const after = await page.call("countedGpu");
    return Object.fromEntries(Object.entries(after).map(([name, value]) => [name, value - before[name]]));
  };
  const words = ["red", "blue", "green", "black", "white", "brown", "gold", "pink"];
  const texts = words.flatMap((first) => words.map((second) => `a ${first} and a ${second} house`));
  // Loading is counted too, and is the same for all.
  for (const some of [texts.slice(0, 1), texts]) await counted(some);
  const [one, all] = [await counted(texts.slice(0, 1)), await counted(texts)];
  t.diagnostic(JSON.stringify({ one, all }));
  assert.equal(all.dispatches, one.dispatches);
  assert.equal(all.submissions, one.submissions);
  assert.equal(all.readbacks, one.readbacks);
  assert.equal(all.bytesReadBack - one.bytesReadBack, 63 * 384 * 4);
});
