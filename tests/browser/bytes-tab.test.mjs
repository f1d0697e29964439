// The Bytes tab of the built page, with the real model.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { openApp } from "../support/app.mjs";

/** A text of some twenty bytes on a busy machine. */
const LOOK_MS = 90_000;
let app;

before(async () => {
  app = await openApp({ path: "/#bytes" });
});
after(async () => {
  await app?.close();
});

const done = () =>
  app.page.waitForFunction(
    () => {
      const get = (id) => document.querySelector(`[data-testid="${id}"]`);
      return get("bytes-stop").disabled && !get("bytes-look").disabled;
    },
    null,
    { timeout: LOOK_MS },
  );

test("without a model it says what to do", async () => {
  assert.equal(await app.get("tab-bytes").getAttribute("aria-selected"), "true");
  assert.equal(await app.get("bytes-look").isDisabled(), true);
  assert.match(await app.get("bytes-note").textContent(), /Load a model/);
});

test("a text cut inside a word: the next byte, the covering tokens, the shaded text", async () => {
  await app.get("load").click();
  await app.enabled("bytes-look", 180_000);
  await app.get("bytes-prompt").fill("The capital of Fra");
  await app.get("bytes-look").click();
  await app.get("byte-text").locator("span").nth(17).waitFor({ timeout: LOOK_MS });
  await done();
  assert.match(
    await app.get("likeliest").locator("li").first().textContent(),
    /99.* %“n”, 0x6egoes on “nce”/,
  );
  assert.match(await app.get("trunk").textContent(), /Certain:The␣capital␣of/);
  assert.match(await app.get("covers").locator("li").first().textContent(), /␣Fra….*France/);
  assert.match(await app.get("bytes-figures").textContent(), /evaluations/);
  assert.equal(await app.get("distribution").locator("rect").count(), 257);
});

test("keys go through the bars and the text", async () => {
  await app.get("distribution").focus();
  const first = await app.get("slot-line").textContent();
  assert.match(first, /“n”, 0x6e: probability/);
  await app.page.keyboard.press("ArrowRight");
  assert.notEqual(await app.get("slot-line").textContent(), first);
  await app.page.keyboard.press("ArrowLeft");
  assert.equal(await app.get("slot-line").textContent(), first);
  await app.get("byte-text").focus();
  await app.page.keyboard.press("ArrowRight");
  assert.match(await app.get("byte-line").textContent(), /“T”, 0x54: probability/);
});

test("plain and exact continuations stand side by side, and differ", async () => {
  await app.get("bytes-continue").click();
  await app.page.waitForFunction(
    () => document.querySelector('[data-testid="exact-text"]').textContent.length > 12,
    null,
    { timeout: LOOK_MS },
  );
  await done();
  assert.match(await app.get("exact-text").textContent(), /^nce is Paris/);
  assert.doesNotMatch(await app.get("plain-text").textContent(), /^nce/);
  assert.equal(await app.get("error").count(), 0);
  assert.deepEqual(app.problems, []);
});
