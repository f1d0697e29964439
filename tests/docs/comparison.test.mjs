// docs/comparison.md speaks of the versions that are measured beside, and its table is whole.
import assert from "node:assert/strict";
import { test } from "node:test";
import { read } from "./blocks.mjs";

const page = await read("docs/comparison.md");
const rows = page.split("\n").filter((line) => line.startsWith("|"));
const cellsOf = (row) =>
  row
    .split("|")
    .slice(1, -1)
    .map((cell) => cell.trim());

test("the peers are named in the versions that the benchmark pins", async () => {
  const pinned = async (manifest, kind, name) => JSON.parse(await read(manifest))[kind][name];
  const [head] = rows;
  const wllama = await pinned("tests/package.json", "devDependencies", "@wllama/wllama");
  const transformers = await pinned("tests/peers/package.json", "dependencies", "@huggingface/transformers");
  assert.ok(head.includes(`wllama ${wllama} `), head);
  assert.ok(head.includes(`transformers.js ${transformers} `), head);
});

test("every row has a cell for each, and a grade first where there is one", () => {
  const [head, , ...body] = rows;
  const columns = cellsOf(head).length;
  assert.equal(columns, 7);
  assert.ok(body.length > 25, `only ${body.length} rows`);
  for (const row of body) {
    const [what, ours, ...others] = cellsOf(row);
    assert.equal(others.length, columns - 2, row);
    assert.ok(what.length > 2, row);
    // Blocks begin with a row of their own.
    if (!what.startsWith("**")) assert.ok(ours.length > 0, row);
  }
});

test("it grades this project down where others are better", () => {
  const ours = rows.map((row) => cellsOf(row)[1] ?? "");
  assert.ok(ours.filter((cell) => cell.startsWith("○")).length >= 6);
});

test("the number of reduction methods is that of the table in the code", async () => {
  const source = await read("crates/vision/src/reduce/methods.rs");
  const table = source.slice(source.indexOf("pub const METHODS"), source.indexOf("\n];"));
  const count = table.match(/\bname: "/g).length;
  assert.ok(page.includes(`${count} methods`), `there are ${count} methods`);
});
