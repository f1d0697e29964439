// Pictures through the npm package on the CPU path, with one thread and with two.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { cosine } from "../bench/statistics.mjs";
import { openPackagePage } from "../support/package-page.mjs";
import { models, reference } from "../support/paths.mjs";

const { cases } = await reference("vit-s-focus");
const weights = `/models/${models.vit}`;
const photograph = (name) => ({ url: `/models/photographs/${name}.png` });
const worst = (a, b) => Math.max(...b.map((value, index) => Math.abs(a[index] - value)));

for (const threads of [1, 2]) {
  describe(`with ${threads} thread${threads === 1 ? "" : "s"}`, () => {
    let page;

    before(async () => {
      page = await openPackagePage({ isolated: threads > 1 });
      const device = await page.call("create", { device: "cpu", threads });
      assert.equal(device.threads, threads);
    });
    after(async () => {
      await page?.close();
    });

    test("the model tells what it is", async () => {
      const info = await page.call("loadVision", weights);
      assert.deepEqual(
        [info.hiddenSize, info.layers, info.heads, info.patchSize, info.maxSize, info.hasSaliency],
        [384, 12, 6, 14, 518, true],
      );
      assert.equal(info.fileBytes, 97_447_603);
      assert.ok(info.residentBytes < info.fileBytes);
      const names = info.methods.map(({ name }) => name);
      for (const name of ["ward", "tome", "evit", "divprune", "random", "lowest"])
        assert.ok(names.includes(name));
    });

    test("the reference's values", async () => {
      for (const wanted of cases) {
        const synthetic = wanted.input === "synthetic";
        const picture = synthetic ? { synthetic: 224 } : photograph(wanted.input);
        const seen = await page.call("see", picture, {});
        const differences = [
          worst(seen.embedding, wanted.cls),
          worst(seen.norms, wanted.patch_norms),
          Math.abs(seen.heat.mean - wanted.heat_mean),
        ];
        const angle = cosine(seen.embedding, wanted.cls);
        console.log(
          `  ${wanted.input}: ${differences.map((d) => d.toExponential(1)).join(" ")}, cosine ${angle}`,
        );
        assert.ok(angle > 0.99999, `${wanted.input}: ${angle}`);
        // A photograph differs by the resampler, whose single bytes round otherwise.
        const bounds = synthetic ? [2e-3, 0.02, 1e-4] : [0.01, 0.05, 1e-3];
        for (const [index, bound] of bounds.entries()) {
          assert.ok(differences[index] < bound, `${wanted.input}: ${differences} above ${bounds}`);
        }
        assert.equal(seen.heat.length, 224 * 224);
        assert.equal(seen.macs, seen.denseMacs);
        assert.ok(seen.timings.total >= seen.timings.backbone);
      }
    });

    test("merging is as faithful as natively, and says where every patch went", async () => {
      const dense = await page.call("see", photograph("coffee"), {});
      const merged = await page.call("see", photograph("coffee"), { reduce: { method: "tome", r: 16 } });
      const angle = cosine(dense.embedding, merged.embedding);
      // As `lexigraft see-eval` gives for this photograph.
      assert.ok(Math.abs(angle - 0.989) < 0.003, `${angle}`);
      assert.deepEqual(
        merged.tokens.map(({ after }) => after),
        Array.from({ length: 12 }, (_, block) => 257 - 16 * (block + 1)),
      );
      assert.ok(Math.abs(merged.macs / merged.denseMacs - 0.602) < 1e-3);
      assert.equal(merged.maps.length, 12);
      for (const [block, map] of merged.maps.entries()) {
        assert.equal(map.length, 256);
        const tokens = new Set(map);
        assert.equal(tokens.size, merged.tokens[block].after - 1);
        assert.ok([...tokens].every((token) => token >= 1 && token < merged.tokens[block].after));
      }
      assert.ok(merged.timings.reduce > 0 && merged.timings.reduce < merged.timings.backbone);
      const text = await page.call("see", photograph("coffee"), { reduce: "tome:r=16" });
      assert.deepEqual(text.embedding, merged.embedding);
    });

    test("pruning drops patches, and keeping all of them changes nothing", async () => {
      const options = { size: 112 };
      const dense = await page.call("see", photograph("coffee"), options);
      for (const reduce of [
        { method: "evit", keep: 1 },
        { method: "tome", r: 0 },
        { method: "ward", r: 0 },
      ]) {
        const all = await page.call("see", photograph("coffee"), { ...options, reduce });
        assert.deepEqual([all.embedding, all.heat], [dense.embedding, dense.heat]);
      }
      const reduce = { method: "evit", count: 20, layers: [2] };
      const pruned = await page.call("see", photograph("coffee"), { ...options, reduce });
      assert.deepEqual(
        pruned.maps.map((map) => map.filter((token) => token === -1).length),
        Array.from({ length: 12 }, (_, block) => (block < 2 ? 0 : 44)),
      );
    });

    test("a picture is the same as a file, an address, a bitmap, an image and pixels", async () => {
      const options = { size: 56 };
      const file = await page.call("see", photograph("coffee"), options);
      for (const as of ["url", "bitmap", "image"]) {
        const seen = await page.call("see", { ...photograph("coffee"), as }, options);
        assert.deepEqual(seen.embedding, file.embedding, as);
      }
      assert.deepEqual(file.pixels.length, 56 * 56 * 4);
      const padded = await page.call("see", photograph("coffee"), { ...options, crop: "pad" });
      assert.deepEqual(padded.frame, { left: 0, top: 9, width: 56, height: 37 });
      assert.deepEqual(padded.pixels.first, [0, 0, 0, 255]);
      const pixels = await page.call("see", { pixels: { width: 60, height: 40 } }, options);
      assert.equal(pixels.norms.length, 16);
    });

    test("an abort ends it between two blocks, and the next picture is seen", async () => {
      const { failed, blocks } = await page.call("seeAborted", photograph("coffee"), {}, 3);
      assert.equal(failed?.code, "aborted");
      assert.ok(blocks >= 3 && blocks < 12, `${blocks}`);
      const seen = await page.call("see", photograph("coffee"), { size: 56 });
      assert.equal(seen.rows, 4);
    });

    const header = (width, height) => [
      ...[0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10, 0, 0, 0, 13, 0x49, 0x48, 0x44, 0x52],
      ...[width, height].flatMap((side) => [24, 16, 8, 0].map((shift) => (side >> shift) & 255)),
      ...[8, 2, 0, 0, 0, 0, 0, 0, 0],
    ];
    const refused = [
      ["text", { bytes: [...new TextEncoder().encode("not a picture at all")] }, {}, "not-an-image"],
      ["nothing", { bytes: [] }, {}, "not-an-image"],
      ["a cut picture", { bytes: header(8, 8) }, {}, "not-an-image"],
      ["an empty picture", { bytes: header(0, 0) }, {}, "empty-image"],
      ["an enormous picture", { bytes: header(65_536, 65_536) }, {}, "image-too-large"],
      ["an animated GIF", { url: "/pictures/animated.gif" }, {}, "animated-image"],
      ["an animated PNG", { url: "/pictures/animated.png" }, {}, "animated-image"],
      ["an animated WebP", { url: "/pictures/animated.webp" }, {}, "animated-image"],
      ["CMYK", { url: "/pictures/cmyk.jpg" }, {}, "cmyk-image"],
      ["an address without a file", { url: "/models/none.png", as: "url" }, {}, "not-found"],
      ["an unknown method", { synthetic: 28 }, { reduce: { method: "magic" } }, "unknown-method"],
      ["an unknown setting", { synthetic: 28 }, { reduce: "tome:k=1" }, "invalid-argument"],
      [
        "more than there are",
        { synthetic: 28 },
        { reduce: { method: "evit", count: 5, layers: [0] } },
        "invalid-argument",
      ],
      [
        "two settings",
        { synthetic: 28 },
        { reduce: { method: "tome", r: 1, keep: 0.5 } },
        "invalid-argument",
      ],
      ["a share above one", { synthetic: 28 }, { reduce: { method: "evit", keep: 2 } }, "invalid-argument"],
      [
        "a block too far",
        { synthetic: 28 },
        { reduce: { method: "evit", keep: 0.5, layers: [12] } },
        "invalid-argument",
      ],
      ["no multiple of the patch", { pixels: { width: 8, height: 8 } }, { size: 50 }, "invalid-argument"],
      ["too large a size", { pixels: { width: 8, height: 8 } }, { size: 532 }, "invalid-argument"],
      ["no size", { pixels: { width: 8, height: 8 } }, { size: 0 }, "invalid-argument"],
      ["an unknown crop", { pixels: { width: 8, height: 8 } }, { size: 28, crop: "x" }, "invalid-argument"],
    ];
    for (const [name, picture, options, code] of refused) {
      test(`${name} gives ${code}`, async () => {
        const failed = await page.call("seeFailure", picture, options);
        assert.equal(failed?.code, code, failed?.message);
        assert.ok(failed.typed && failed.message.length > 10, failed.message);
      });
    }

    test("an upright picture is seen from a turned one", async () => {
      const options = { size: 28, crop: "pad" };
      const [upright, turned, lying] = [
        await page.call("see", { url: "/pictures/half-3.jpg" }, options),
        await page.call("see", { url: "/pictures/half-6.jpg" }, options),
        await page.call("see", { url: "/pictures/half.jpg" }, options),
      ];
      assert.deepEqual([upright.frame.width, upright.frame.height], [lying.frame.width, lying.frame.height]);
      assert.deepEqual([turned.frame.width, turned.frame.height], [lying.frame.height, lying.frame.width]);
      assert.ok(cosine(upright.embedding, lying.embedding) < 0.9999);
    });

    test("another file is no vision model", async () => {
      const failed = await page.call("loadVisionFailure", `/models/${models.minilm}/model.safetensors`);
      assert.equal(failed?.code, "unsupported-architecture", failed?.message);
      const other = await page.call("loadVisionFailure", "/fault/truncated/model.onnx");
      assert.ok(other?.typed, other?.message);
    });

    test("a disposed model is gone, and nothing was reported as uncaught", async () => {
      assert.equal((await page.call("seeAfterDispose"))?.code, "disposed");
      assert.deepEqual(page.problems, []);
    });
  });
}
