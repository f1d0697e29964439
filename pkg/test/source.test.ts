import assert from "node:assert/strict";
import { test } from "node:test";
import { LexigraftError } from "../src/errors.js";
import { fetchable, fileIn, resolveHub, resolveUrl, toPortable } from "../src/source.js";
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

test("addresses on the hub become web addresses, on a mirror too", () => {
  const url = (text: string, hub?: string) => fetchable(resolveUrl(text), hub);
  const main = "https://huggingface.co/owner/repo.v2/resolve/main";
  assert.equal(url("hf:owner/repo.v2/model.gguf"), `${main}/model.gguf`);
  assert.equal(url(" HF://owner/repo.v2/folder/a b.gguf"), `${main}/folder/a%20b.gguf`);
  assert.equal(url("hf:owner/repo.v2/a%20b?.gguf"), `${main}/a%20b%3F.gguf`);
  assert.equal(
    url("hf:owner/repo@refs%2Fpr%2F1/m.gguf"),
    "https://huggingface.co/owner/repo/resolve/refs%2Fpr%2F1/m.gguf",
  );
  assert.equal(
    url("hf:owner/repo@v1.0/m.gguf", "http://localhost:8080/mirror/"),
    "http://localhost:8080/mirror/owner/repo/resolve/v1.0/m.gguf",
  );
  assert.equal(url("https://host/m.gguf", "http://mirror"), "https://host/m.gguf");
  for (const base of ["hf:owner/repo", "hf:owner/repo/"]) {
    assert.equal(fetchable(fileIn(base, "config.json"), undefined), url("hf:owner/repo/config.json"));
  }
  assert.equal(resolveHub("https://mirror"), "https://mirror/");
});

test("what is no address on the hub is refused with the way to write one", () => {
  const odd = ["hf:", "hf:owner", "hf:owner/repo", "hf:owner/repo/", "hf:/repo/f", "hf:owner/repo@/f"];
  for (const text of [
    ...odd,
    "hf:owner/repo@a@b/f",
    "hf:o/../f",
    "hf:o/r/../f",
    "hf:o/r/a//f",
    "hf:o o/r/f",
  ]) {
    assert.throws(
      () => resolveUrl(text),
      (error) =>
        error instanceof LexigraftError &&
        error.code === "invalid-argument" &&
        /hf:owner\/repo\/file/.test(error.hint ?? ""),
      text,
    );
  }
  assert.throws(() => resolveHub("ftp://host"), { code: "invalid-argument" });
});
