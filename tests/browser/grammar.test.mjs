// JSON schemas and grammars as constraints on the real model, in the browser and in Node.
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { pathToFileURL } from "node:url";
import { openApp } from "../support/app.mjs";
import { openPackagePage } from "../support/package-page.mjs";
import { folders, models } from "../support/paths.mjs";

const MODULE = "/pkg/dist/wasm/grammar/lexigraft_grammar.wasm";
let page;

before(async () => {
  page = await openPackagePage();
  await page.call("create", { device: "cpu" });
  await page.call("load", `/models/${models.smollm2}`);
});
after(async () => {
  await page?.close();
});

const write = (prompt, options) => page.call("generateBytes", prompt, { maxBytes: 400, ...options });
const failed = async (options) => (await page.call("generateBytesFailure", "a", options))?.code;
const fetched = () => page.server.hits(MODULE);

const isText = (value, most) => typeof value === "string" && [...value].length <= most;
const keys = (value) => Object.keys(value).join();

/** Each with what a value of it must be, written down apart from the schema. */
const schemas = [
  {
    prompt: "A famous scientist, as a record: ",
    schema: {
      type: "object",
      properties: {
        name: { type: "string", maxLength: 24 },
        born: { type: "integer", minimum: 1500, maximum: 2000 },
        field: { enum: ["physics", "chemistry", "biology"] },
      },
      required: ["name", "born", "field"],
      additionalProperties: false,
    },
    holds: (value) =>
      keys(value) === "name,born,field" &&
      isText(value.name, 24) &&
      Number.isInteger(value.born) &&
      value.born >= 1500 &&
      value.born <= 2000 &&
      ["physics", "chemistry", "biology"].includes(value.field),
  },
  {
    prompt: "Three numbers and whether they grow, as JSON: ",
    schema: {
      type: "object",
      properties: {
        numbers: {
          type: "array",
          items: { type: "number", minimum: -10, maximum: 10 },
          minItems: 3,
          maxItems: 3,
        },
        grows: { type: "boolean" },
      },
      required: ["numbers", "grows"],
      additionalProperties: false,
    },
    holds: ({ numbers, grows, ...rest }) =>
      numbers.length === 3 &&
      numbers.every((number) => number >= -10 && number <= 10) &&
      typeof grows === "boolean" &&
      keys(rest) === "",
  },
  {
    prompt: "Où habite-t-elle ? ",
    schema: {
      type: "object",
      properties: {
        home: {
          type: "object",
          properties: {
            city: { enum: ["Orléans", "Besançon", "東京"] },
            code: { type: "string", pattern: "^[0-9]{5}$" },
          },
          required: ["city", "code"],
          additionalProperties: false,
        },
        since: { anyOf: [{ type: "null" }, { type: "integer", minimum: 1900, maximum: 2030 }] },
      },
      required: ["home", "since"],
      additionalProperties: false,
    },
    holds: ({ home, since }) =>
      keys(home) === "city,code" &&
      ["Orléans", "Besançon", "東京"].includes(home.city) &&
      /^\d{5}$/.test(home.code) &&
      (since === null || (Number.isInteger(since) && since >= 1900 && since <= 2030)),
  },
];

test("without a grammar its module is not fetched", async () => {
  await write("Born on ", { seed: 1, regex: "[0-9]{4}" });
  await write("The capital of Fra", { temperature: 0, maxBytes: 4 });
  assert.equal(fetched(), 0);
});

test("what is written satisfies the schema, greedily and drawn", async () => {
  for (const { prompt, schema, holds } of schemas) {
    for (const options of [{ temperature: 0 }, { seed: 1 }, { seed: 2, temperature: 1, topP: 1 }]) {
      const { text, reason } = await write(prompt, { ...options, jsonSchema: schema });
      assert.equal(reason, "constraint", text);
      assert.ok(holds(JSON.parse(text)), text);
    }
  }
  assert.equal(fetched(), 1);
});

test("a grammar holds, and with a regular expression and a schema all of them do", async () => {
  const grammar = 'start: item "\\n" item\nitem: "- " /[a-z]{3,10}/';
  const list = await write("Things to buy:\n", { temperature: 0, grammar });
  assert.match(list.text, /^- [a-z]{3,10}\n- [a-z]{3,10}$/);
  const jsonSchema = { type: "array", items: { type: "integer" }, minItems: 2, maxItems: 4 };
  const all = await write("Numbers: ", {
    seed: 4,
    jsonSchema: JSON.stringify(jsonSchema),
    regex: "\\[[0-9]{2}(,[0-9]{2})*\\]",
    grammar: 'start: "[" /[1-4]+/ ("," /[1-4]+/)* "]"',
  });
  const value = JSON.parse(all.text);
  assert.ok(value.length >= 2 && value.length <= 4, all.text);
  assert.match(all.text, /^\[[1-4]{2}(,[1-4]{2})*\]$/);
});

test("what cannot be used has its code, and the next one works", async () => {
  assert.equal(await failed({ grammar: "start: (" }), "bad-constraint");
  assert.equal(await failed({ jsonSchema: "{" }), "bad-constraint");
  assert.equal(await failed({ grammar: `start: ${"(".repeat(50_000)}` }), "bad-constraint");
  // It compiles, and becomes too much work after a byte.
  assert.equal(await failed({ grammar: 'start: "a"{1000000}' }), "bad-constraint");
  const integer = { type: "integer" };
  assert.equal(await failed({ jsonSchema: integer, regex: "[a-z]+" }), "contradictory-constraints");
  // They agree for two bytes, and part then.
  const parting = { jsonSchema: { type: "boolean" }, grammar: 'start: "trick"', temperature: 0 };
  assert.equal(await failed(parting), "contradictory-constraints");
  const { text } = await write("1 + 1 = ", { temperature: 0, jsonSchema: { enum: [1, 2, 3] } });
  assert.ok(["1", "2", "3"].includes(text), text);
  assert.equal(fetched(), 1);
  assert.deepEqual(page.problems, []);
});

test("the same holds in Node", async () => {
  const { Lexigraft } = await import(pathToFileURL(join(folders.package, "node.js")));
  const lexigraft = await Lexigraft.create({ threads: 1 });
  try {
    const model = await lexigraft.languageModel(join(folders.models, models.smollm2));
    const bytes = await model.bytes();
    const [{ prompt, schema, holds }] = schemas;
    const { text } = await bytes.generate(prompt, { jsonSchema: schema, temperature: 0 }).result;
    assert.ok(holds(JSON.parse(text)), text);
  } finally {
    await lexigraft.dispose();
  }
});

test("the Bytes tab writes under each kind of constraint", async () => {
  const app = await openApp({ path: "/#bytes" });
  try {
    await app.get("load").click();
    await app.enabled("bytes-constrained", 180_000);
    await app.get("constraint-form").locator("summary").click();
    const holds = {
      jsonSchema: (text) => {
        const { name, born, field } = JSON.parse(text);
        return isText(name, 40) && born >= 1500 && born <= 2000 && typeof field === "string";
      },
      grammar: (text) => /^(- [1-9][0-9]? [a-z]{3,12}(\n|$)){3}/.test(text),
      regex: (text) => /^\d{4}-\d\d-\d\d$/.test(text),
    };
    for (const [kind, right] of Object.entries(holds)) {
      await app.get("constraint-kind").selectOption(kind);
      await app.get("constraint-example").click();
      await app.get("bytes-constrained").click();
      // It is off while it writes.
      await app.page.waitForFunction(
        () => document.querySelector('[data-testid="constrained-text"]').textContent !== "",
        null,
        { timeout: 90_000 },
      );
      await app.enabled("bytes-constrained", 90_000);
      const text = await app.get("constrained-text").textContent();
      assert.ok(right(text), `${kind}: ${text}`);
    }
    await app.get("constraint-kind").selectOption("grammar");
    await app.get("constraint").fill("start: (");
    await app.get("bytes-constrained").click();
    assert.equal((await app.error()).code, "bad-constraint");
    assert.deepEqual(app.problems, []);
  } finally {
    await app.close();
  }
});
