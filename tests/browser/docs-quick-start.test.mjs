// docs/quick-start.md as a newcomer would follow it: its page under Vite, and its blocks one after the other.
import assert from "node:assert/strict";
import { cp, link, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { pathToFileURL } from "node:url";
import { blocksOf, read, root } from "../docs/blocks.mjs";
import { openPage, startChromium } from "../support/chromium.mjs";
import { folders, models } from "../support/paths.mjs";
import { startServer } from "../support/server.mjs";

/** Loading a model from this machine and writing with it, on two busy cores. */
const WRITE_MS = 180_000;
const blocks = blocksOf(await read("docs/quick-start.md"));
const html = blocks.find(({ language }) => language === "html").text;
let browser;

before(async () => {
  browser = await startChromium();
});
after(async () => {
  await browser?.close();
});

test("the way there is three commands and fifteen lines", () => {
  const shell = blocks.filter(({ language }) => language === "sh")[1].text;
  assert.equal(shell.split("\n").length, 3);
  assert.match(shell, /^npm install vite .*\.tgz\nmkdir public && cp .*\.gguf public\/\nnpx vite$/);
  assert.ok(html.split("\n").length <= 15, html);
});

test("the page, served by Vite from a folder of its own, writes text", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "lexigraft-quick-start-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  // What the three commands leave there: the package as it is packed, the model, the page.
  const installed = join(folder, "node_modules", "lexigraft");
  await mkdir(installed, { recursive: true });
  await cp(join(root, "pkg", "package.json"), join(installed, "package.json"));
  await cp(folders.package, join(installed, "dist"), { recursive: true });
  await mkdir(join(folder, "public"));
  const model = join(folders.models, models.smollm2);
  const there = join(folder, "public", "SmolLM2-135M-Instruct.Q4_1.gguf");
  await link(model, there).catch(() => symlink(model, there));
  await writeFile(join(folder, "index.html"), html);

  const vite = createRequire(join(root, "www", "package.json")).resolve("vite");
  const { createServer } = await import(pathToFileURL(vite));
  const server = await createServer({
    root: folder,
    configFile: false,
    logLevel: "error",
    server: { port: 0 },
  });
  t.after(() => server.close());
  await server.listen();
  // When the page changed, as it sees it: tokens come faster than a test can look.
  await browser.context.addInitScript(() => {
    globalThis.changes = [];
    new MutationObserver(() => {
      const { length } = document.querySelector("#answer")?.textContent ?? "";
      if (length > (globalThis.changes.at(-1) ?? 0)) globalThis.changes.push(length);
    }).observe(document, { childList: true, subtree: true, characterData: true });
  });
  const { page, problems } = await openPage(browser.context, server.resolvedUrls.local[0]);
  t.after(() => page.close());
  // 48 tokens are more than 60 characters.
  await page.waitForFunction(() => document.querySelector("#answer").textContent.length >= 60, undefined, {
    timeout: WRITE_MS,
  });
  const text = await page.locator("#answer").textContent();
  const changes = await page.evaluate(() => globalThis.changes);
  assert.ok(changes.length >= 5, `the text came in ${changes.length} parts`);
  assert.match(text, /[a-z]{3,} [a-z]{2,}/);
  assert.deepEqual(problems, []);
});

test("the blocks run one after the other and show what they promise", async (t) => {
  const server = await startServer();
  t.after(() => server.close());
  const { page, problems } = await openPage(browser.context, `${server.url}/pages/bare.html`);
  t.after(() => page.close());
  const code = blocks.filter(({ language }) => language === "ts").map(({ text }) => text);
  assert.ok(code.length >= 7);
  const script = `
    globalThis.shown = [];
    const show = (text) => globalThis.shown.push(String(text));
    ${code.join("\n").replaceAll('from "lexigraft"', 'from "/pkg/dist/index.js"')}
    globalThis.finished = true;`;
  await page.addScriptTag({ type: "module", content: script });
  const deadline = Date.now() + WRITE_MS;
  let state = { shown: [], finished: false };
  while (!state.finished && problems.length === 0 && Date.now() < deadline) {
    await page.waitForTimeout(100);
    state = await page.evaluate(() => ({
      shown: globalThis.shown ?? [],
      finished: globalThis.finished === true,
    }));
  }
  const said = state.shown.join("\n");
  assert.deepEqual(problems, [], said);
  assert.ok(state.finished, said);
  assert.match(said, /^load: \d+ of \d+ bytes$/m);
  assert.match(state.shown.join(""), /Paris/);
  assert.match(said, /^ended by (max-tokens|stop-token), \d+ tokens\/s$/m);
  assert.match(said, /^after Fra, n: 0\.99\d$/m);
  assert.match(said, /^128256 tokens, 39310 of them shared$/m);
  assert.match(said, /^\d\.\d\d bits per byte$/m);
  const cosine = Number(/^cosine (.*)$/m.exec(said)[1]);
  assert.ok(cosine > 0.4 && cosine < 1, said);
  assert.match(said, /^65 tokens, 60 % of the work$/m);
  assert.match(said, /^not-found: /m);
});
