// The built page with the real model, driven by clicks and keys; nothing is mocked.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { openApp } from "../support/app.mjs";
import { models, reference } from "../support/paths.mjs";

const SMOLLM2 = `/models/${models.smollm2}`;
const { prompts } = await reference("smollm2-135m-instruct-q4_1");
const greedyText = (prompt) => prompt.greedy_text.replace("<|im_end|>", "");
let app;

before(async () => {
  app = await openApp();
});
after(async () => {
  await app?.close();
});

test("the page opens with a device and the reason for it", async () => {
  const info = await app.get("device-info").textContent();
  assert.match(info, /CPU/);
  assert.ok(info.length > 20, info);
  assert.equal(await app.page.evaluate(() => self.crossOriginIsolated), false);
  assert.equal(await app.get("generate").isDisabled(), true);
});

test("Load shows its progress and brings the model", async () => {
  await app.get("load").click();
  await app.get("progress").waitFor();
  await app.page.waitForFunction(() => document.querySelector('[data-testid="progress"]')?.value > 0);
  assert.match(await app.get("progress-bytes").textContent(), /\d/);
  await app.loaded();
  assert.equal(await app.get("progress").isVisible(), false);
  assert.match(await app.get("model-name").textContent(), /smol/i);
  assert.equal(app.server.hits(SMOLLM2), 1);
});

test("two prompts get the reference's greedy text", async () => {
  await app.set({ temperature: 0, "max-tokens": 48 });
  for (const prompt of prompts.slice(0, 2)) {
    const { text, reason } = await app.generate(prompt.prompt);
    assert.equal(text, greedyText(prompt));
    assert.equal(reason, prompt.greedy_text.endsWith("<|im_end|>") ? "stop-token" : "max-tokens");
    assert.match(await app.get("stats").textContent(), /tokens\/s/);
  }
});

test("the text streams, and Stop ends it in the middle", async () => {
  await app.set({ "max-tokens": 400 });
  await app.get("prompt").fill(prompts[1].prompt);
  await app.get("generate").click();
  await app.page.waitForFunction(
    () => document.querySelector('[data-testid="output"]').textContent.length > 20,
  );
  assert.equal(await app.get("generate").isDisabled(), true);
  await app.get("stop").click();
  const { text, reason } = await app.ended();
  assert.equal(reason, "aborted");
  const whole = greedyText(prompts[1]);
  const common = Math.min(text.length, whole.length);
  assert.equal(text.slice(0, common), whole.slice(0, common));
  await app.enabled("generate");
});

test("the keyboard is enough: Ctrl+Enter starts and Escape stops", async () => {
  await app.get("prompt").fill(prompts[1].prompt);
  await app.get("prompt").press("Control+Enter");
  await app.enabled("stop");
  await app.page.keyboard.press("Escape");
  assert.equal((await app.ended()).reason, "aborted");
});

test("chat answers through the model's template", async () => {
  await app.set({ "max-tokens": 16 });
  await app.get("mode-chat").check({ force: true });
  const chat = prompts.find(({ prompt }) => prompt.startsWith("<|im_start|>"));
  const question = /<\|im_start\|>user\n(.*?)<\|im_end\|>/s.exec(chat.prompt)[1];
  await app.get("chat-input").fill(question);
  await app.get("send").click();
  assert.equal(await app.endReason(), "max-tokens");
  const reply = await app.get("reply").last().textContent();
  assert.ok(reply.length > 20 && chat.greedy_text.startsWith(reply), reply);
  await app.get("mode-prompt").check({ force: true });
});

test("a prompt longer than the context is refused and the page goes on", async () => {
  await app.get("prompt").fill("word ".repeat(12_000));
  await app.get("generate").click();
  assert.equal((await app.error()).code, "prompt-too-long");
  await app.set({ "max-tokens": 16 });
  const { text } = await app.generate(prompts[0].prompt);
  assert.ok(text.length > 0 && greedyText(prompts[0]).startsWith(text), text);
  assert.equal(await app.get("error").isVisible(), false);
});

test("after a reload the settings are remembered and the model comes from the cache", async () => {
  await app.reload();
  assert.equal(await app.get("temperature").inputValue(), "0");
  await app.get("cache").locator("summary").click();
  assert.match(await app.get("cache-list").textContent(), /SmolLM2/);
  await app.get("load").click();
  await app.loaded();
  assert.equal(app.server.hits(SMOLLM2), 1, "the model was downloaded again");
  assert.match(await app.get("model-info").textContent(), /this browser's copy/);
  const { text } = await app.generate(prompts[0].prompt);
  assert.ok(text.length > 0 && greedyText(prompts[0]).startsWith(text), text);
});

test("the cache can be emptied", async () => {
  const fold = app.get("cache");
  if (!(await fold.evaluate((details) => details.open))) await fold.locator("summary").click();
  await app.get("cache-clear").click();
  await app.page.waitForFunction(
    () => !document.querySelector('[data-testid="cache-list"]').textContent.includes("SmolLM2"),
  );
});

test("the page fits a narrow screen", async () => {
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
