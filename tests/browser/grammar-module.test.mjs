// The module that reads JSON schemas and grammars, by itself in Node, through the package's own script.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { before, test } from "node:test";
import { pathToFileURL } from "node:url";
import { folders } from "../support/paths.mjs";

let module;
let grammars;

before(async () => {
  const path = join(folders.package, "wasm", "grammar", "lexigraft_grammar.wasm");
  module = await WebAssembly.compile(await readFile(path));
  const { grammarModule } = await import(pathToFileURL(join(folders.package, "grammar-module.js")));
  grammars = grammarModule(module);
});

const lark = (text) => grammars.compile({ kind: "grammar", text });
const schema = (value) =>
  grammars.compile({ kind: "json-schema", text: typeof value === "string" ? value : JSON.stringify(value) });
const encode = (text) => new TextEncoder().encode(text);

/** The bytes that are allowed, as text, with "$" for an end. */
function open(constraint) {
  const mask = constraint.allowed();
  assert.equal(mask.length, 257);
  const slots = [...mask.keys()].filter((slot) => mask[slot] === 1);
  return slots.map((slot) => (slot === 256 ? "$" : String.fromCharCode(slot))).join("");
}

function read(constraint, text) {
  for (const byte of encode(text)) {
    if (constraint.allowed()[byte] !== 1) return false;
    constraint.advance(byte);
  }
  return constraint.allowed()[256] === 1;
}

async function failure(promise) {
  const error = await promise.then(
    () => assert.fail("it was taken"),
    (thrown) => thrown,
  );
  assert.equal(error.name, "LexigraftError");
  return error;
}

test("it imports nothing, and exports what the package calls", () => {
  assert.deepEqual(WebAssembly.Module.imports(module), []);
  const exported = WebAssembly.Module.exports(module).map(({ name }) => name);
  for (const name of ["memory", "write_text", "text_start", "text_length", "compile", "allowed"])
    assert.ok(exported.includes(name), name);
  for (const name of ["advance", "failed", "fork", "release"]) assert.ok(exported.includes(name), name);
});

test("a grammar is read byte by byte", async () => {
  const constraint = await lark('start: "a" ("b" | "c")*');
  assert.equal(constraint.name(), "the grammar");
  assert.equal(open(constraint), "a");
  constraint.advance(0x61);
  assert.equal(open(constraint), "bc$");
  constraint.advance(0x62);
  assert.equal(open(constraint), "bc$");
  constraint.advance(0x78);
  assert.equal(open(constraint), "");
  assert.equal(constraint.failure(), undefined);
});

test("a fork goes its own way", async () => {
  const constraint = await lark('start: "ab" | "ac" "d"');
  constraint.advance(0x61);
  const fork = constraint.fork();
  fork.advance(0x63);
  constraint.advance(0x62);
  assert.equal(open(fork), "d");
  assert.equal(open(constraint), "$");
  constraint.free();
  constraint.free();
  assert.equal(open(constraint), "");
  assert.equal(open(fork), "d");
});

test("a schema takes what satisfies it, in every script", async () => {
  const properties = {
    name: { type: "string", maxLength: 4 },
    mood: { enum: ["glad", "triste é", null] },
    sizes: { type: "array", items: { type: "number", minimum: 0 }, maxItems: 2 },
  };
  const required = ["name", "mood", "sizes"];
  const whole = { type: "object", properties, required, additionalProperties: false };
  const cases = [
    ['{"name": "名前😀", "mood": "triste é", "sizes": [1, 2.5]}', true],
    ['{"name":"a\\n\\u0001","mood":null,"sizes":[]}', true],
    // A character that needs no escape stands for itself.
    ['{"name":"\\u00e9","mood":null,"sizes":[]}', false],
    ['{"name": "12345", "mood": null, "sizes": []}', false],
    ['{"name": "a", "mood": "sad", "sizes": []}', false],
    ['{"name": "a", "mood": null, "sizes": [-1]}', false],
    ['{"name": "a", "mood": null, "sizes": [1, 2, 3]}', false],
    ['{"mood": null, "name": "a", "sizes": []}', false],
    ['{"name": "a", "mood": null}', false],
  ];
  for (const [text, right] of cases) assert.equal(read(await schema(whole), text), right, text);
});

test("what cannot be used has its code, and takes nothing else down", async () => {
  const living = await lark('start: "ab"');
  const fuel = ["a", "b", "c", "d"].map((letter) => `/.*${letter}.{30}/`).join(" & ");
  const bad = [
    () => lark("start: ("),
    () => lark(`start: ${"(".repeat(60_000)}`),
    () => lark("x".repeat(70_000)),
    () => lark(`start: A\nA: ${fuel} & ~/.*e.{30}/`),
    () => schema("{"),
    () => schema('{"items":'.repeat(20_000)),
    () => schema({ $ref: "https://example.com/" }),
    () => schema({ type: "string", pattern: "(" }),
  ];
  for (const make of bad) assert.equal((await failure(make())).code, "bad-constraint", `${make}`);
  assert.match((await failure(lark("start: missing"))).message, /the grammar cannot be used: .*missing/s);
  assert.match((await failure(schema({ type: "integer", minimum: 3, maximum: 2 }))).code, /constraint/);
  assert.equal(read(living, "ab"), true);
});

test("a grammar that becomes too much work says so", async () => {
  const constraint = await lark('start: "a"{1000000}');
  assert.equal(open(constraint), "a");
  constraint.advance(0x61);
  assert.equal(open(constraint), "");
  assert.match(constraint.failure(), /Too many items/);
});

test("recursion that is too deep for the stack is an error like others", async () => {
  const rules = Array.from({ length: 3_000 }, (_, i) => `r${i}: r${i + 1} | "a"`);
  const chain = lark(`start: r0\n${rules.join("\n")}\nr3000: "b"`);
  const result = await chain.then(
    (constraint) => open(constraint),
    (error) => error.code,
  );
  assert.ok(["ab", "bad-constraint"].includes(result), result);
});
