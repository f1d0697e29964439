import assert from "node:assert/strict";

/** The same ids in the same order, and each logit within the tolerance. */
export function assertTop10(actual, prompt, tolerance = 0.02) {
  assert.deepEqual(actual.ids, prompt.last_top10_ids);
  assertClose(actual.logits, prompt.last_top10_logits, tolerance, "logit");
}

/** Two lists of numbers that differ by no more than the tolerance anywhere. */
export function assertClose(actual, wanted, tolerance, what) {
  assert.equal(actual.length, wanted.length, `${what}: length`);
  let worst = 0;
  for (const [index, value] of actual.entries()) {
    // A NaN compares false with everything, so the test is for being within, not beyond.
    const gap = Math.abs(value - wanted[index]);
    assert.ok(gap <= tolerance, `${what} ${index} is ${value}, wanted ${wanted[index]} within ${tolerance}`);
    worst = Math.max(worst, gap);
  }
  return worst;
}
