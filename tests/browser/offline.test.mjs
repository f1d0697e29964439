// The built page on a plain static host, below a path and without special headers: threads by way of the service
// worker, a second visit without a network, and no request to anybody else.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { App } from "../support/app.mjs";
import { startChromium } from "../support/chromium.mjs";
import { models, reference } from "../support/paths.mjs";
import { startStaticSite } from "../support/static-site.mjs";

const SMOLLM2 = `models/${models.smollm2}`;
const { prompts } = await reference("smollm2-135m-instruct-q4_1");
const [prompt] = prompts;
let site;
let browser;
let app;
/** Every request of the browser: of pages, workers and the service worker. */
const requests = [];

before(async () => {
  site = await startStaticSite({ base: "/some/where/" });
  browser = await startChromium({ serviceWorkers: "allow" });
  browser.context.on("request", (request) => requests.push(request));
  app = new App(site, browser);
});
after(async () => {
  await browser?.close();
  await site?.close();
});

const isolated = () => app.page.evaluate(() => self.crossOriginIsolated);
const device = () => app.get("device-info").textContent();
const times = (path) => site.seen().filter((seen) => seen === path).length;

/** Requests that left the page's own place. */
const strangers = () =>
  requests
    .map((request) => request.url())
    .filter((url) => !url.startsWith(`${site.url}/`) && !/^(data|blob):/.test(url));

async function generates() {
  await app.get("load").click();
  await app.loaded();
  await app.set({ temperature: 0, "max-tokens": 12 });
  const { text } = await app.generate(prompt.prompt);
  assert.ok(text.length > 5 && prompt.greedy_text.startsWith(text), text);
}

/** Waits for the page, which the first visit reloads once. */
async function open(path) {
  await app.page?.close();
  const page = await browser.context.newPage();
  page.setDefaultTimeout(30_000);
  app.page = page;
  app.problems = [];
  app.loads = 0;
  page.on("pageerror", (error) => app.problems.push(error.message));
  page.on("request", (request) => {
    if (request.isNavigationRequest()) app.loads += 1;
  });
  await page.goto(site.url + path);
  await app.ready();
}

test("the first visit reloads once, and the page is isolated and has threads", async () => {
  await open("/");
  assert.equal(await isolated(), true);
  assert.match(await device(), /[2-9] threads/);
  assert.equal(app.loads, 2);
  await generates();
  assert.equal(times(SMOLLM2), 1);
  assert.match(await app.get("model-info").textContent(), /from download/);
});

test("another visit is isolated without a reload, and asks for what may have changed only", async () => {
  const before = site.seen().length;
  await open("/");
  assert.equal(await isolated(), true);
  assert.equal(app.loads, 1);
  const asked = new Set(site.seen().slice(before));
  assert.deepEqual(
    [...asked].filter((path) => !["", "theme.js", "favicon.svg", "service-worker.js"].includes(path)),
    [],
  );
});

test("without a network the page opens, loads its model and writes", async () => {
  await site.stop();
  const before = site.seen().length;
  await open("/#generate");
  assert.equal(await isolated(), true);
  assert.match(await device(), /[2-9] threads/);
  await generates();
  assert.match(await app.get("model-info").textContent(), /this browser's copy/);
  assert.equal(site.seen().length, before);
  // What the visit did not keep is missing, and is told as such.
  await app.loadFrom("models/other.gguf");
  assert.equal((await app.error()).code, "network");
  assert.deepEqual(app.problems, []);
});

test("?coi=0 leaves the page as the host serves it, with one thread, without a network too", async () => {
  await site.restart();
  for (const network of [true, false]) {
    if (!network) await site.stop();
    await open("/?coi=0");
    assert.equal(await isolated(), false);
    assert.equal(app.loads, 1);
    assert.match(await device(), /one thread/i);
  }
  await site.restart();
});

test("a new version of the page is there with the next visit, and then offline", async () => {
  site.publish("Newer");
  for (const network of [true, false]) {
    if (!network) await site.stop();
    await open("/");
    assert.match(await app.page.title(), /^Newer/);
    assert.equal(await isolated(), true);
    assert.match(await device(), /[2-9] threads/);
  }
  await site.restart();
  // The new service worker has taken over, and thrown away what only the old page used.
  await app.page.waitForFunction(async () => {
    const [name, ...others] = await caches.keys();
    const kept = (await (await caches.open(name)).keys()).map(({ url }) => url);
    return others.length === 0 && kept.every((url) => !url.includes("/assets/") || url.includes("/newer-"));
  });
});

test("a reload past the service worker mends itself and is no loop", async () => {
  const session = await browser.context.newCDPSession(app.page);
  await app.page.evaluate(() => {
    window.old = true;
  });
  await session.send("Page.reload", { ignoreCache: true });
  await app.page.waitForFunction(() => window.old === undefined && self.crossOriginIsolated);
  await app.ready();
  assert.equal(app.loads, 3, "one by hand, and one to be isolated again");
});

test("nothing was asked of anybody else", () => {
  assert.ok(
    requests.some((request) => request.serviceWorker()),
    "the service worker's requests are not seen",
  );
  assert.deepEqual(strangers(), []);
});

test("a model of another host is asked of that host, and nothing else is", async () => {
  const hub = await startStaticSite({ headers: { "access-control-allow-origin": "*" } });
  try {
    assert.equal(await isolated(), true);
    await app.loadFrom(`${hub.url}/${SMOLLM2}`);
    await app.loaded();
    assert.deepEqual(strangers(), [`${hub.url}/${SMOLLM2}`]);
    await app.get("cache").locator("summary").click();
    await app
      .get("cache-entry")
      .filter({ hasText: new URL(hub.url).host })
      .waitFor();
  } finally {
    await hub.close();
  }
});

test("a host that isolates the page needs no reload, and a visit to it works offline too", async () => {
  const headers = {
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-embedder-policy": "require-corp",
  };
  const other = await startStaticSite({ headers });
  const first = [site, app.page];
  try {
    site = other;
    app.page = undefined;
    await open("/");
    assert.equal(await isolated(), true);
    assert.equal(app.loads, 1);
    await other.stop();
    await open("/");
    assert.equal(await isolated(), true);
    assert.match(await device(), /[2-9] threads/);
  } finally {
    await other.close();
    [site] = first;
  }
});

test("a host that is asked for ?coi=0 first serves a visit offline as well", async () => {
  const other = await startStaticSite();
  const first = site;
  try {
    site = other;
    await open("/?coi=0");
    assert.equal(app.loads, 1);
    assert.equal(await isolated(), false);
    await other.stop();
    await open("/?coi=0");
    assert.match(await device(), /one thread/i);
  } finally {
    await other.close();
    site = first;
  }
});
