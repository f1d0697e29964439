// Pictures through the npm package on WebGPU, here a software adapter: small ones, beside the CPU path.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { cosine } from "../bench/statistics.mjs";
import { openPackagePage } from "../support/package-page.mjs";
import { models } from "../support/paths.mjs";

const picture = { url: "/models/photographs/coffee.png" };
const weights = `/models/${models.vit}`;
let pages;

before(async () => {
  pages = { webgpu: await openPackagePage({ webgpu: true }), cpu: await openPackagePage() };
  for (const [device, page] of Object.entries(pages)) {
    assert.equal((await page.call("create", { device })).kind, device);
    await page.call("loadVision", weights);
  }
});
after(async () => {
  for (const page of Object.values(pages ?? {})) await page.close();
});

const methods = ["tome:r=1", "ward:r=1", "evit:keep=0.6", "evit-fuse:keep=0.6", "divprune:keep=0.5"];
for (const reduce of [undefined, ...methods]) {
  test(`${reduce ?? "a dense run"} is the CPU path's`, async () => {
    const options = { size: 56, ...(reduce ? { reduce } : {}) };
    const ours = await pages.webgpu.call("see", picture, options);
    const cpu = await pages.cpu.call("see", picture, options);
    assert.deepEqual([ours.tokens, ours.maps], [cpu.tokens, cpu.maps]);
    const angle = cosine(ours.embedding, cpu.embedding);
    assert.ok(angle > 0.99999, `${angle}`);
    assert.ok(Math.abs(ours.heat.mean - cpu.heat.mean) < 1e-3);
  });
}

test("nothing was reported as uncaught", () => {
  for (const page of Object.values(pages)) assert.deepEqual(page.problems, []);
});
