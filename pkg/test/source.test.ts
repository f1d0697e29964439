import assert from "node:assert/strict";
import { test } from "node:test";
import { LexigraftError } from "../src/errors.js";
import { fileIn, resolveUrl, toPortable } from "../src/source.js";
import type { Source } from "../src/types.js";

test("every kind of source becomes an address or a Blob with the same bytes", async () => {
  assert.deepEqual(toPortable("https://host/a#part", "model"), { kind: "url", url: "https://host/a" });
  assert.deepEqual(toPortable(new URL("https://host/a"), "model"), { kind: "url", url: "https://host/a" });
  const blob = new Blob(["x"]);
  assert.deepEqual(toPortable(blob, "model"), { kind: "blob", blob });
  const bytes = Uint8Array.of(0, 1, 2, 3, 4);
  for (const [source, expected] of [
    [bytes, [0, 1, 2, 3, 4]],
    [bytes.subarray(1, 3), [1, 2]],
    [bytes.buffer, [0, 1, 2, 3, 4]],
  ] as const) {
    const portable = toPortable(source, "model");
    assert.ok(portable.kind === "blob");
    assert.deepEqual([...new Uint8Array(await portable.blob.arrayBuffer())], expected);
  }
});

test("what is not a source is refused", () => {
  for (const odd of [undefined, null, 3, {}, [1]]) {
    assert.throws(
      () => toPortable(odd as unknown as Source, "tokenizer"),
      (error) =>
        error instanceof LexigraftError &&
        error.code === "invalid-argument" &&
        /tokenizer/.test(error.message),
    );
  }
  for (const odd of ["", "  ", "no base"]) {
    assert.throws(() => resolveUrl(odd), { code: "invalid-argument" });
  }
});

test("the files of a directory keep the query", () => {
  for (const base of ["https://host/m", "https://host/m/", "https://host/m//"]) {
    assert.equal(fileIn(base, "config.json"), "https://host/m/config.json");
  }
  assert.equal(fileIn("https://host/m?rev=1", "config.json"), "https://host/m/config.json?rev=1");
});
