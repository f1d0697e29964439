// docs/errors.md names every code there is, and no other.
import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { read, root } from "./blocks.mjs";

/** The codes of the tables of one part of the page. */
function codesOf(markdown) {
  return [...markdown.matchAll(/^\| `([a-z-]+)` \|/gm)].map(([, code]) => code);
}

/** The strings of a list in a TypeScript file, after a mark. */
function listOf(source, mark, end) {
  const from = source.indexOf(mark);
  assert.ok(from >= 0, `${mark} is gone`);
  return [...source.slice(from, source.indexOf(end, from)).matchAll(/"([a-z-]+)"/g)].map(([, code]) => code);
}

const page = await read("docs/errors.md");
const [errors, warnings] = page.split("\n## Warnings\n");
const known = listOf(await read("pkg/src/errors.ts"), "ERROR_CODES = [", "]");

test("the page has the codes of the package, each once", () => {
  assert.ok(known.length > 30);
  assert.deepEqual(codesOf(errors).sort(), [...known].sort());
});

test("each row says what happened and what to do", () => {
  for (const line of errors.split("\n").filter((line) => line.startsWith("| `"))) {
    const cells = line.split("|").slice(2, -1);
    assert.equal(cells.length, 2, line);
    for (const cell of cells) assert.ok(cell.trim().length > 3, line);
  }
});

test("every code of the Rust crates is in the list", async () => {
  const crates = await readdir(join(root, "crates"));
  const codes = new Set();
  for (const name of crates) {
    const file = join(root, "crates", name, "src", "error.rs");
    const source = await readFile(file, "utf8").catch(() => "");
    for (const [, code] of source.matchAll(/=> "([a-z]+(?:-[a-z]+)*)"/g)) codes.add(code);
  }
  assert.ok(codes.size > 25, `only ${codes.size} codes were found`);
  assert.deepEqual(
    [...codes].filter((code) => !known.includes(code)),
    [],
  );
});

test("the warnings are those of the package", async () => {
  const types = await read("pkg/src/types.ts");
  const declared = listOf(types, 'code: "cache-', ";");
  assert.deepEqual(codesOf(warnings).sort(), declared.sort());
});

test("the notebooks' package has the same codes", async () => {
  const python = listOf(await read("notebooks/src/lexigraft/errors.py"), "ERROR_CODES = (", ")");
  assert.deepEqual(python, known);
});
