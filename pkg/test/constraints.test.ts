import assert from "node:assert/strict";
import { test } from "node:test";
import { LexigraftError } from "../src/errors.js";
import { LanguageModelClient } from "../src/language-model.js";
import { rejectsWith } from "./support/expect-error.js";
import { connect, FakeGrammars, FakeModel, fakeModule } from "./support/fake-engine.js";

async function load({
  answer = "",
  grammars = new FakeGrammars(),
}: {
  answer?: string;
  grammars?: FakeGrammars | null;
} = {}) {
  const model = new FakeModel(["a"]);
  model.byteAnswer = answer;
  const { client } = connect(fakeModule({ model }), grammars ?? undefined);
  const wasmUrl = { grammar: "https://example.com/grammar.wasm" };
  await client.call("create", { device: "cpu", wasmUrl, pageHasWebGpu: false });
  const weights = { kind: "blob", blob: new Blob(["w"]) } as const;
  const { handle, info } = await client.call("loadLanguageModel", { weights });
  const bytes = await new LanguageModelClient(client, handle, info).bytes();
  return { bytes, grammars: grammars ?? new FakeGrammars(), client };
}

test("the module is fetched with the first grammar, once, from where it is said to be", async () => {
  const { bytes, grammars } = await load({ answer: "abc" });
  await bytes.generate("p").result;
  await bytes.generate("p", { regex: "a" }).result;
  assert.deepEqual(grammars.fetched, []);
  for (let round = 0; round < 2; round += 1) {
    const { text, reason } = await bytes.generate("p", { grammar: "ab" }).result;
    assert.equal(text, "ab");
    assert.equal(reason, "constraint");
  }
  assert.deepEqual(grammars.fetched, ["https://example.com/grammar.wasm"]);
  assert.deepEqual(
    grammars.made.map(({ freed }) => freed),
    [true, true],
  );
});

test("a schema is an object or its text, and its keys keep their order", async () => {
  const { bytes, grammars } = await load({ answer: '{"z":1,"a":2}' });
  await bytes.generate("p", { jsonSchema: { z: 1, a: 2 } }).result;
  await bytes.generate("p", { jsonSchema: '{"z":1,"a":2}', grammar: '{"z":1,"a":2}' }).result;
  const text = '{"z":1,"a":2}';
  assert.deepEqual(grammars.texts, [
    { kind: "json-schema", text },
    { kind: "json-schema", text },
    { kind: "grammar", text },
  ]);
});

test("all constraints hold at once, and what none can write is a contradiction", async () => {
  const { bytes, grammars } = await load({ answer: "abc" });
  const both = await bytes.generate("p", { jsonSchema: "abc", grammar: "abc" }).result;
  assert.equal(both.text, "abc");
  await rejectsWith(
    bytes.generate("p", { jsonSchema: "ab", grammar: "ax" }).result,
    "contradictory-constraints",
  );
  assert.ok(grammars.made.every(({ freed }) => freed));
});

test("what cannot be used has its code", async () => {
  const { bytes } = await load();
  await rejectsWith(bytes.generate("p", { grammar: "(" }).result, "bad-constraint");
  const circle: { self?: object } = {};
  circle.self = circle;
  const bad = (error: unknown) => error instanceof LexigraftError && error.code === "bad-constraint";
  assert.throws(() => bytes.generate("p", { jsonSchema: circle }), bad);
  assert.throws(() => bytes.generate("p", { jsonSchema: () => 1 }), bad);
  const without = await load({ grammars: null });
  await rejectsWith(without.bytes.generate("p", { grammar: "a" }).result, "bad-constraint");
});

test("a grammar that gives up on the way says so, and the next one works", async () => {
  const { bytes, grammars } = await load({ answer: "abc" });
  await rejectsWith(bytes.generate("p", { grammar: "abc!" }).result, "bad-constraint");
  assert.equal(grammars.made[0]?.freed, true);
  assert.equal((await bytes.generate("p", { grammar: "abc" }).result).text, "abc");
});
