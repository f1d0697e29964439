import assert from "node:assert/strict";
import { test } from "node:test";
import { ERROR_CODES, fromRecord, LexigraftError, toLexigraftError, toRecord } from "../src/errors.js";
import { engineError } from "./support/fake-engine.js";

test("the engine's errors keep their code and message", () => {
  for (const code of ERROR_CODES) {
    const error = toLexigraftError(engineError(code, `about ${code}`));
    assert.ok(error instanceof LexigraftError && error instanceof Error);
    assert.equal(error.code, code);
    assert.equal(error.message, `about ${code}`);
    assert.equal(error.name, "LexigraftError");
  }
});

test("an unknown code is not believed", () => {
  assert.equal(toLexigraftError(Object.assign(new Error("x"), { code: "ENOENT" })).code, "internal");
});

test("our own errors pass through unchanged", () => {
  const error = new LexigraftError("busy", "later");
  assert.equal(toLexigraftError(error, "network"), error);
});

test("aborts, exhausted memory and traps are recognised", () => {
  assert.equal(toLexigraftError(new DOMException("stop", "AbortError")).code, "aborted");
  assert.equal(toLexigraftError(new RangeError("WebAssembly.Memory.grow(): failed")).code, "out-of-memory");
  assert.equal(toLexigraftError(new RangeError("Array buffer allocation failed")).code, "out-of-memory");
  assert.equal(toLexigraftError(new RangeError("toFixed() digits")).code, "internal");
  const trap = toLexigraftError(new WebAssembly.RuntimeError("unreachable"), "network");
  assert.equal(trap.code, "internal");
  assert.match(trap.hint ?? "", /create a new one/);
});

test("anything can be thrown", () => {
  assert.equal(toLexigraftError("text", "io").message, "text");
  assert.equal(toLexigraftError("text", "io").code, "io");
  for (const odd of [undefined, null, 7, {}]) assert.ok(toLexigraftError(odd).message.length > 0);
});

test("errors cross to the page with code, message and hint", () => {
  const record = structuredClone(toRecord(new LexigraftError("http", "refused", { hint: "wait" })));
  const back = fromRecord(record);
  assert.deepEqual([back.code, back.message, back.hint], ["http", "refused", "wait"]);
  assert.equal("hint" in toRecord(new LexigraftError("http", "refused")), false);
});
