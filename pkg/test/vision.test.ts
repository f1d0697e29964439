import assert from "node:assert/strict";
import { test } from "node:test";
import { readPixels, toPortablePicture } from "../src/picture.js";
import { writeReduction } from "../src/vision.js";
import { rejectsWith } from "./support/expect-error.js";

test("a reduction is written as the engine reads it", () => {
  assert.equal(writeReduction("tome:r=16"), "tome:r=16");
  assert.equal(writeReduction({ method: "evit" }), "evit");
  assert.equal(writeReduction({ method: "tome", r: 16, inflect: 0.5 }), "tome:r=16,inflect=0.5");
  assert.equal(
    writeReduction({ method: "evit", keep: 0.7, layers: [3, 6, 9] }),
    "evit:keep=0.7,layers=3/6/9",
  );
  for (const wrong of [{}, null, 5, { r: 1 }]) {
    assert.throws(() => writeReduction(wrong as never), { code: "invalid-argument" });
  }
});

test("values stay values, and bytes with a method of that name are a file", async () => {
  const values = new Float32Array(3);
  assert.deepEqual(await toPortablePicture({ values, width: 1, height: 1 }), {
    kind: "values",
    values,
    width: 1,
    height: 1,
  });
  const portable = await toPortablePicture(new Uint8Array([1, 2]));
  assert.equal(portable.kind, "blob");
});

test("a file is checked before it is decoded, and its fault keeps its code", async () => {
  const fault = Object.assign(new Error("it is animated"), { code: "animated-image" });
  const checked: number[] = [];
  await assert.rejects(
    readPixels({ kind: "blob", blob: new Blob([new Uint8Array([7, 8])]) }, true, {
      check: (bytes) => {
        checked.push(...bytes);
        throw fault;
      },
      signal: new AbortController().signal,
    }),
    fault,
  );
  assert.deepEqual(checked, [7, 8]);
});

test("without a browser's decoder a file is not an image", async () => {
  await rejectsWith(
    readPixels({ kind: "blob", blob: new Blob(["text"]) }, true, {
      check: () => undefined,
      signal: new AbortController().signal,
    }),
    "not-an-image",
  );
});
