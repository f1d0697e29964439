// Byte-level decoding in the browser, on the real model.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { openPackagePage } from "../support/package-page.mjs";
import { models } from "../support/paths.mjs";

let page;

before(async () => {
  page = await openPackagePage();
  await page.call("create", { device: "cpu" });
  await page.call("load", `/models/${models.smollm2}`);
});
after(async () => {
  await page?.close();
});

const slot = (text) => text.charCodeAt(0);

test("the next byte of a prompt cut inside a word goes on with the word", async () => {
  const [cut, whole] = await page.call("nextBytes", ["The capital of Fra", "The capital of France is"]);
  for (const { logProbs } of [cut, whole]) {
    assert.equal(logProbs.length, 257);
    const sum = logProbs.reduce((sum, value) => sum + Math.exp(value), 0);
    assert.ok(Math.abs(sum - 1) < 1e-5, `${sum}`);
  }
  assert.ok(Math.exp(cut.logProbs[slot("n")]) > 0.9);
  assert.ok(Math.exp(whole.logProbs[slot(" ")]) > 0.5);
  assert.deepEqual(cut.trunk, ["The", " capital", " of"]);
  assert.ok(cut.cover.length > 0 && cut.cover[0].pending === " Fra" && cut.cover[0].next > 0);
  const shares = cut.cover.reduce((sum, { share }) => sum + share, 0);
  assert.ok(Math.abs(shares - 1) < 1e-9);
});

test("a text's probability does not depend on where its prompt was cut", async () => {
  const text = "The capital of France is Paris.";
  const whole = await page.call("scoreBytes", "", text);
  assert.equal(whole.perByte.length, text.length);
  for (const cut of [5, 17, 18]) {
    const rest = await page.call("scoreBytes", text.slice(0, cut), text.slice(cut));
    const sum = whole.perByte.slice(cut).reduce((sum, value) => sum + value, 0);
    assert.ok(Math.abs(rest.logProb - sum) < 1e-3, `${cut}: ${rest.logProb}, not ${sum}`);
  }
});

test("all tokenizations with a beam are at least as likely as the canonical one", async () => {
  const text = " capital";
  const canonical = await page.call("scoreBytes", "The", text);
  const all = await page.call("scoreBytes", "The", text, { estimand: "all", beam: 4 });
  assert.ok(Math.abs(all.logProb - canonical.logProb) < 0.3, `${all.logProb} and ${canonical.logProb}`);
});

test("greedy bytes finish a word, alone and in an ensemble with itself", async () => {
  const options = { temperature: 0, maxBytes: 14 };
  const alone = await page.call("generateBytes", "The capital of Fra", options);
  assert.equal(alone.text, "nce is Paris. ");
  assert.equal(alone.reason, "max-bytes");
  for (const combine of ["mixture", "product"]) {
    const pair = await page.call("generateBytes", "The capital of Fra", options, combine);
    assert.equal(pair.text, alone.text);
  }
});

test("a regular expression holds", async () => {
  const { text, reason } = await page.call("generateBytes", "She was born on ", {
    seed: 3,
    regex: "[0-9]{4}-[0-9]{2}-[0-9]{2}",
  });
  assert.match(text, /^\d{4}-\d\d-\d\d$/);
  assert.ok(reason === "constraint" || reason === "stop", reason);
});

test("what cannot work has its code", async () => {
  const failed = async (options) => (await page.call("generateBytesFailure", "a", options))?.code;
  assert.equal(await failed({ regex: "(" }), "bad-constraint");
  assert.equal(await failed({ maxBytes: 0 }), "invalid-argument");
  assert.equal(await failed({ temperature: -1 }), "invalid-argument");
});

test("a byte generation can be aborted, and the next one runs", async () => {
  const { failed, reason } = await page.call("generateBytesAborted", "Once upon a time", 5);
  assert.equal(failed.code, "aborted");
  assert.equal(reason, "aborted");
  const again = await page.call("generateBytes", "The capital of Fra", { temperature: 0, maxBytes: 4 });
  assert.equal(again.text, "nce ");
  assert.deepEqual(page.problems, []);
});
