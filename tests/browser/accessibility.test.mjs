// The built page for everyone: axe on each tab, empty and full, light and dark, wide and narrow; and the keyboard alone.
import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { openApp } from "../support/app.mjs";
import { findings, focused, overflow } from "../support/axe.mjs";

const tabs = ["generate", "bytes", "graft", "see", "bench"];
const looks = [
  ["light", 1280],
  ["dark", 1280],
  ["light", 360],
  ["dark", 360],
];
/** One run of a model on a busy machine. */
const RUN_MS = 180_000;
/** A folder to leave pictures of what was looked at in. */
const pictures = process.env.LEXIGRAFT_SCREENSHOTS;
const counts = { critical: 0, serious: 0, moderate: 0, minor: 0 };
let app;

before(async () => {
  app = await openApp();
  // Colours are read at once, not on their way.
  await app.page.emulateMedia({ reducedMotion: "reduce" });
});
after(async () => {
  await app?.close();
});

/** Looks at what is shown, in both themes and widths. */
async function look(state) {
  const grave = [];
  for (const [colorScheme, width] of looks) {
    await app.page.emulateMedia({ colorScheme });
    await app.page.setViewportSize({ width, height: 900 });
    if (pictures) {
      await mkdir(pictures, { recursive: true });
      const path = join(pictures, `${state}-${colorScheme}-${width}.png`);
      await app.page.screenshot({ path, fullPage: true });
    }
    const excess = await overflow(app.page);
    if (excess > 0) grave.push(`${colorScheme} ${width}: ${excess} pixels too wide`);
    for (const { impact, text } of await findings(app.page)) {
      counts[impact] += 1;
      const line = `${colorScheme} ${width}: ${text}`;
      if (impact === "critical" || impact === "serious") grave.push(line);
      else console.log(`${state} ${line}`);
    }
  }
  await app.page.setViewportSize({ width: 1280, height: 900 });
  assert.deepEqual(grave, [], state);
}

const show = (tab) => app.get(`tab-${tab}`).click();
const idle = (testid) => app.enabled(testid, RUN_MS);

test("axe sees what is wrong: an unnamed picture, and faint text on a sheet", async () => {
  await app.page.evaluate(() => {
    const wrong = document.createElement("p");
    wrong.id = "wrong";
    wrong.append("Faint.", new Image(9, 9));
    wrong.style.color = "color-mix(in srgb, var(--muted), var(--surface))";
    document.querySelector(".sheet").append(wrong);
  });
  const found = (await findings(app.page)).map(({ text }) => text.split(" ").slice(0, 3).join(" "));
  assert.deepEqual(found, ["critical image-alt img:", "serious color-contrast #wrong:"]);
  await app.page.evaluate(() => document.querySelector("#wrong").remove());
});

for (const tab of tabs) {
  test(`${tab}, empty`, async () => {
    await show(tab);
    if (tab === "graft") await waitForTokenizer();
    await look(`${tab}-empty`);
  });
}

const waitForTokenizer = () =>
  app.page.waitForFunction(
    () => document.querySelector("#panel-graft").dataset.tokenizer === "llama3",
    null,
    { timeout: RUN_MS },
  );

test("an error, and all that folds open", async () => {
  await show("generate");
  await app.loadFrom("/fault/missing/model.gguf");
  await app.error();
  await app.page.evaluate(() => {
    for (const fold of document.querySelectorAll("details")) fold.open = true;
  });
  await look("error");
  await app.get("error-dismiss").click();
  await app.get("source-default").check();
});

test("generate, while it loads and with a text shaded by likelihood", async () => {
  await app.get("load").click();
  await app.get("progress").waitFor();
  await app.loaded();
  await app.get("log-probs").check();
  await app.set({ temperature: 1, "max-tokens": 40, seed: 7 });
  await app.generate("The capital of France is");
  await app.get("output").locator(".token").first().focus();
  await look("generate-full");
  await app.get("mode-chat").check({ force: true });
  await app.set({ "max-tokens": 8 });
  await app.get("chat-input").fill("What is gravity?");
  await app.get("send").click();
  await app.endReason();
  await look("chat-full");
});

test("bytes, with a next byte and two continuations", async () => {
  await show("bytes");
  await app.get("bytes-look").click();
  await idle("bytes-look");
  await app.get("bytes-continue").click();
  await idle("bytes-continue");
  assert.ok((await app.get("exact-text").textContent()).length > 3);
  await look("bytes-full");
});

test("see, with a picture", async () => {
  await show("see");
  await app.get("see-sample-coffee").click();
  await app.page.waitForFunction(() => document.querySelector(".see").dataset.seen !== undefined, null, {
    timeout: RUN_MS,
  });
  await look("see-full");
});

test("bench, with a result", async () => {
  await show("bench");
  await app.set({ "bench-tokens": 2, "bench-rounds": 1 });
  await app.get("bench-start").click();
  await app.get("bench-facts").waitFor({ timeout: RUN_MS });
  await look("bench-full");
});

test("graft, with a grafted model", async () => {
  await show("graft");
  await waitForTokenizer();
  await idle("graft-start");
  await app.get("graft-start").click();
  await app.page.waitForFunction(() => document.querySelector("#panel-graft").dataset.grafted, null, {
    timeout: RUN_MS,
  });
  await idle("graft-start");
  await look("graft-full");
  console.log(`axe found ${JSON.stringify(counts)} in all`);
});

test("the keyboard alone goes through the tabs, loads a model and generates", async () => {
  const { page } = app;
  const { keyboard } = page;
  await page.setViewportSize({ width: 360, height: 740 });
  await page.evaluate(() => localStorage.clear());
  await page.goto(`${app.server.url}/`);
  await app.ready();

  /** Presses a key until the focus is there; every stop on the way shows that it has the focus. */
  const tabTo = async (testid, key = "Tab") => {
    const passed = [];
    for (let presses = 0; presses < 60; presses += 1) {
      await keyboard.press(key);
      const at = await focused(page);
      if (at === undefined) continue;
      assert.ok(at.ring, `${at.name} does not show that it has the focus`);
      assert.ok(at.inView, `${at.name} has the focus out of sight`);
      passed.push(at.name);
      if (at.name === testid) return;
    }
    assert.fail(`${testid} cannot be reached; there are ${passed.join(", ")}`);
  };

  await keyboard.press("Tab");
  assert.match((await focused(page)).name, /Skip to the work area/);
  const hidden = await page.evaluate(() => {
    const bar = document.querySelector("#tab-list");
    return bar.scrollWidth - bar.clientWidth;
  });
  assert.equal(hidden, 0, "pixels of the tabs are beyond the edge");
  await tabTo("tab-generate");
  for (const tab of [...tabs.slice(1), tabs[0]]) {
    await keyboard.press("ArrowRight");
    assert.equal((await focused(page)).name, `tab-${tab}`);
    assert.equal(await app.get(`tab-${tab}`).getAttribute("aria-selected"), "true");
    assert.ok(await page.locator(`#panel-${tab}`).isVisible());
    assert.equal(await overflow(page), 0, tab);
  }
  for (const [key, tab] of [
    ["End", "bench"],
    ["Home", "generate"],
  ]) {
    await keyboard.press(key);
    assert.equal((await focused(page)).name, `tab-${tab}`);
  }

  await tabTo("load");
  await keyboard.press("Enter");
  await app.loaded();
  assert.equal((await focused(page)).name, "load", "the focus is lost while a model loads");
  await tabTo("max-tokens");
  await keyboard.press("Control+A");
  await keyboard.type("8");
  await tabTo("prompt", "Shift+Tab");
  await keyboard.press("Control+A");
  await keyboard.type("The capital of France is");
  await tabTo("generate");
  await keyboard.press("Enter");
  const { text, reason } = await app.ended();
  assert.equal(reason, "max-tokens");
  assert.ok(text.length > 5, text);
  assert.equal((await focused(page)).name, "generate");

  // From end to end: nothing on the page is a trap or hides its focus.
  const stops = new Set();
  for (let presses = 0; presses < 80; presses += 1) {
    await keyboard.press("Tab");
    const at = await focused(page);
    if (at === undefined) break;
    assert.ok(at.ring && at.inView, `${at.name} has the focus and does not show it`);
    stops.add(at.name);
  }
  assert.ok(stops.has("seed") && stops.has("stop-strings"), [...stops].join(", "));
  assert.equal(await overflow(page), 0);
});

test("nothing went wrong on the way", () => {
  assert.deepEqual(app.problems, []);
});
