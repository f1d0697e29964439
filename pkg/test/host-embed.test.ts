import assert from "node:assert/strict";
import { test } from "node:test";
import { textBatches } from "../src/host-embed.js";

test("every text is in one batch, like lengths together", () => {
  const texts = Array.from({ length: 300 }, (_, at) => "x".repeat((at * 37) % 90));
  const batches = textBatches(texts);
  assert.deepEqual(
    batches.flat().sort((a, b) => a - b),
    texts.map((_, place) => place),
  );
  const lengths = batches.flat().map((place) => texts[place]?.length ?? -1);
  assert.deepEqual(
    lengths,
    [...lengths].sort((a, b) => a - b),
  );
  for (const batch of batches) {
    assert.ok(batch.length <= 64);
    const characters = batch.reduce((sum, place) => sum + (texts[place]?.length ?? 0), 0);
    assert.ok(characters <= 2000);
  }
  // 300 texts of 44 characters at the mean.
  assert.ok(batches.length < 10, `${batches.length} batches`);
});

test("a long text is a batch by itself, and no text is none", () => {
  assert.deepEqual(textBatches([]), []);
  assert.deepEqual(textBatches(["x".repeat(5000), "a", "y".repeat(3000)]), [[1], [2], [0]]);
  assert.deepEqual(textBatches(["", ""]), [[0, 1]]);
});
