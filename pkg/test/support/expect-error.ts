import assert from "node:assert/strict";
import { LexigraftError, type LexigraftErrorCode } from "../../src/errors.js";

/** Asserts that a promise rejects with one of our errors and returns it. */
export async function rejectsWith(
  promise: Promise<unknown>,
  code: LexigraftErrorCode,
): Promise<LexigraftError> {
  try {
    await promise;
  } catch (error) {
    assert.ok(error instanceof LexigraftError, `not a LexigraftError: ${String(error)}`);
    assert.equal(error.code, code, error.message);
    return error;
  }
  assert.fail(`expected the error "${code}", but the promise resolved`);
}
