// The Bench tab of the built page, with the real model and few tokens.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { openApp } from "../support/app.mjs";

/** Five short rounds with a prompt of some hundred tokens on a busy machine. */
const MEASURE_MS = 120_000;
const TOKENS = 4;
const ROUNDS = 2;
let app;

before(async () => {
  app = await openApp({ path: "/#bench" });
  // Copies are read back below.
  await app.browser.context.grantPermissions(["clipboard-read", "clipboard-write"]);
});
after(async () => {
  await app?.close();
});

const measured = () => app.get("bench-facts").waitFor({ timeout: MEASURE_MS });
const clipboard = () => app.page.evaluate(() => navigator.clipboard.readText());
const spoken = (pattern) =>
  app.page.waitForFunction(
    (source) => new RegExp(source).test(document.querySelector('[data-testid="status"]').textContent),
    pattern.source,
  );

test("the address opens the tab, and without a model it says what to do", async () => {
  assert.equal(await app.get("tab-bench").getAttribute("aria-selected"), "true");
  assert.equal(await app.get("bench-start").isDisabled(), true);
  assert.equal(await app.get("bench-cancel").isDisabled(), true);
  assert.match(await app.get("bench-note").textContent(), /Load a model/);
  assert.equal(await app.get("bench-results").isVisible(), false);
});

test("what is out of range goes back to the last value that worked", async () => {
  await app.set({ "bench-tokens": TOKENS, "bench-rounds": ROUNDS });
  await app.set({ "bench-tokens": 1, "bench-rounds": "" });
  assert.equal(await app.get("bench-tokens").inputValue(), String(TOKENS));
  assert.equal(await app.get("bench-rounds").inputValue(), String(ROUNDS));
});

test("Measure gives figures, a plot of each round, and what they were made on", async () => {
  await app.get("load").click();
  await app.enabled("bench-start", 180_000);
  await app.get("bench-start").click();
  assert.equal(await app.get("bench-cancel").evaluate((button) => button === document.activeElement), true);
  await measured();
  assert.equal(await app.get("bench-start").evaluate((button) => button === document.activeElement), true);
  for (const figure of ["bench-decode", "bench-prompt"]) {
    assert.match(await app.get(figure).textContent(), /tokens\/s[\d.,]+ to [\d.,]+$/);
  }
  assert.match(await app.get("bench-first").textContent(), /\d (ms|s)/);
  for (const plot of ["bench-plot-decode", "bench-plot-first"]) {
    const widths = await app
      .get(plot)
      .locator(".bar")
      .evaluateAll((bars) => bars.map((bar) => bar.offsetWidth));
    assert.equal(widths.length, ROUNDS);
    assert.ok(
      widths.every((width) => width > 10),
      `bars of ${widths} pixels`,
    );
  }
  const facts = await app.get("bench-facts").textContent();
  assert.match(facts, /SmolLM2|smollm2/i);
  assert.match(facts, /CPU, WebAssembly.*Threads on the CPU1/);
  assert.match(facts, /Model file98\.4 MB/);
  // The engine's own sizes are known only to the worker.
  assert.match(facts, /Engine's memory\d+ MB/);
  assert.match(facts, /Engine's module[\d.]+ MB/);
  assert.equal(await app.get("bench-progress").isVisible(), false);
  await spoken(/Measured.*Decoding/);
});

test("the copies hold the figures that are shown", async () => {
  await app.get("bench-copy-json").click();
  await spoken(/copied/);
  const report = JSON.parse(await clipboard());
  assert.equal(report.rounds.length, ROUNDS);
  assert.ok(report.rounds.every(({ tokens, tokensPerSecond }) => tokens === TOKENS && tokensPerSecond > 0));
  assert.ok(report.promptTokens > 80, `${report.promptTokens} tokens in the prompt`);
  assert.ok(report.firstTokenMs.lowest <= report.firstTokenMs.median);
  assert.ok(report.memory.module.bytes > 1_000_000);
  await app.get("bench-copy-markdown").click();
  await app.page.waitForFunction(async () => (await navigator.clipboard.readText()).startsWith("##"));
  const markdown = await clipboard();
  const shown = await app.get("bench-decode").locator("td").first().textContent();
  assert.ok(markdown.includes(`| Decoding, tokens/s | ${shown} |`), markdown);
});

test("the keyboard is enough, and Escape cancels in the middle", async () => {
  await app.set({ "bench-tokens": 200 });
  await app.page.keyboard.press("Control+Enter");
  await app.enabled("bench-cancel");
  await app.get("bench-phase").waitFor();
  assert.equal(await app.get("bench-tokens").isDisabled(), true);
  await app.page.keyboard.press("Escape");
  await app.enabled("bench-start");
  assert.equal(await app.get("bench-results").isVisible(), false);
  assert.equal(await app.get("error").isVisible(), false);
  await spoken(/cancelled/);
});

test("the Cancel button works too, and the model can be measured again", async () => {
  await app.get("bench-start").click();
  await app.enabled("bench-cancel");
  await app.get("bench-cancel").click();
  await app.enabled("bench-start");
  await app.set({ "bench-tokens": TOKENS, "bench-rounds": 1 });
  await app.get("bench-start").click();
  await measured();
});

test("a run of another tab keeps this one waiting", async () => {
  await app.get("tab-generate").click();
  await app.set({ "max-tokens": 400 });
  await app.get("prompt").fill("Once upon a time");
  await app.get("generate").click();
  await app.enabled("stop");
  await app.get("tab-bench").click();
  assert.equal(await app.get("bench-start").isDisabled(), true);
  assert.equal(await app.get("bench-cancel").isDisabled(), true);
  assert.match(await app.get("bench-note").textContent(), /another tab/);
  await app.get("tab-generate").click();
  await app.get("stop").click();
  await app.get("tab-bench").click();
  await app.enabled("bench-start");
});

test("after a reload the numbers are remembered", async () => {
  await app.reload();
  assert.equal(await app.get("bench-tokens").inputValue(), String(TOKENS));
  assert.equal(await app.get("bench-rounds").inputValue(), "1");
});

test("the results fit a narrow screen, in the dark too", async () => {
  await app.get("load").click();
  await app.enabled("bench-start", 180_000);
  await app.get("bench-start").click();
  await measured();
  await app.page.emulateMedia({ colorScheme: "dark" });
  await app.page.setViewportSize({ width: 360, height: 740 });
  const [content, window] = await app.page.evaluate(() => [
    document.documentElement.scrollWidth,
    document.documentElement.clientWidth,
  ]);
  assert.ok(content <= window, `${content} pixels of content in ${window}`);
});

test("no error was thrown and no resource refused on the way", () => {
  assert.deepEqual(app.problems, []);
});
