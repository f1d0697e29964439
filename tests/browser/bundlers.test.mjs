// The package as a stranger gets it: its tarball in fresh projects, built by their bundlers, served by a plain host.
import assert from "node:assert/strict";
import { cp } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { openPage, startChromium } from "../support/chromium.mjs";
import { folders, models, reference } from "../support/paths.mjs";
import { filesIn, newProject, npmRun, packTo, projectsFolder, read, remove } from "../support/projects.mjs";
import { startServer } from "../support/server.mjs";

/** The strictest policy that WebAssembly can live with. */
const POLICY = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'";
const model = join(folders.models, models.smollm2);
const [prompt] = (await reference("smollm2-135m-instruct-q4_1")).prompts;

/** Each with the bytes of script that the page itself may have; Rollup alone does not make them smaller. */
const bundlers = {
  vite: { script: 40_000 },
  webpack: { script: 45_000 },
  esbuild: { script: 40_000, beside: "lexigraft" },
  rollup: { script: 80_000, beside: "lexigraft" },
};

let folder;
let tarball;
let browser;

before(async () => {
  folder = await projectsFolder();
  tarball = await packTo(folder);
  browser = await startChromium();
});
after(async () => {
  await browser?.close();
  if (folder !== undefined) await remove(folder);
});

/** Serves a built page, and gives what it wrote and everything that went wrong. */
async function visit(site, { base = "/", headers = {} } = {}) {
  const mounts = [
    [`${base}models/smollm2.gguf`, model],
    [base, site],
  ];
  const server = await startServer({ mounts, headers });
  const { page, problems } = await openPage(browser.context, server.url + base);
  try {
    const written = page.waitForFunction(() => document.body?.dataset.ids !== undefined, undefined, {
      timeout: 120_000,
    });
    const broken = new Promise((resolve) => {
      page.once("pageerror", resolve);
      if (problems.length > 0) resolve();
    });
    // A page that broke is closed before it has written.
    written.catch(() => undefined);
    await Promise.race([written, broken]);
    // Chromium lists what the worker imports among what the page did.
    const { text, ids, scripts } = await page.evaluate(() => ({
      text: document.body.textContent,
      ids: document.body.dataset.ids,
      scripts: performance
        .getEntriesByType("resource")
        .filter(({ name }) => name.endsWith(".js") && !/worker[^/]*$|\/lexigraft(\/|\.js$)/.test(name))
        .map(({ name, decodedBodySize }) => [new URL(name).pathname, decodedBodySize]),
    }));
    const failed = server.failed.filter((failure) => !failure.endsWith("/favicon.ico"));
    return {
      text: text.trim(),
      ids: ids?.split(",").map(Number),
      problems,
      failed,
      scripts,
      seen: server.seen,
    };
  } finally {
    await page.close();
    await server.close();
  }
}

function assertWritten({ text, ids, problems, failed, seen }) {
  assert.deepEqual(problems, []);
  assert.deepEqual(failed, []);
  assert.deepEqual(ids, prompt.greedy_ids.slice(0, 8));
  assert.ok(prompt.greedy_text.trim().startsWith(text) && text.length > 0, text);
  const engines = seen.filter((path) => path.endsWith(".wasm"));
  assert.equal(engines.length, 1, `only the chosen engine is fetched: ${engines}`);
}

for (const [name, { script, beside }] of Object.entries(bundlers)) {
  test(`${name} builds a page that writes, under a strict content security policy`, async () => {
    const project = await newProject(folder, name, tarball);
    await npmRun(project, "build");
    const site = join(project, "out");
    const result = await visit(site, { headers: { "content-security-policy": POLICY } });
    assertWritten(result);
    const bytes = result.scripts.reduce((sum, [, size]) => sum + size, 0);
    console.log(`${name}: ${bytes} bytes of script in the page`);
    assert.ok(bytes > 0 && bytes < script, `${bytes} bytes: ${JSON.stringify(result.scripts)}`);
  });

  test(`${name} takes the error class alone when it alone is imported`, async () => {
    const project = join(folder, name);
    await cp(join(folders.bundlerTemplates, "error-only.js"), join(project, "main.js"));
    await remove(join(project, "out"));
    await npmRun(project, "build");
    const site = join(project, "out");
    const sizes = await filesIn(site, beside);
    const scripts = Object.keys(sizes).filter((path) => path.endsWith(".js"));
    const [, entry] = /<script[^>]* src="\.?\/?([^"]+)"/.exec(await read(join(site, "index.html")));
    const text = await read(join(site, entry));
    assert.match(text, /Only this class is wanted/);
    assert.doesNotMatch(text, /Worker|\.wasm/);
    console.log(`${name}: ${text.length} bytes, ${scripts.length} scripts`);
    assert.ok(text.length < 6000, `${entry} has ${text.length} bytes`);
  });
}

test("no bundler: an import map on a plain host", async () => {
  assertWritten(await visit(await newProject(folder, "importmap", tarball)));
});

test("a page below a sub-path of its host", async () => {
  const project = await newProject(folder, "subpath", tarball);
  await npmRun(project, "build");
  const result = await visit(join(project, "out"), { base: "/some/path/" });
  assertWritten(result);
  assert.ok(result.seen.every((path) => path.startsWith("/some/path/") || path === "/favicon.ico"));
});

test("a policy that forbids WebAssembly is named", async () => {
  const project = join(folder, "importmap");
  const headers = { "content-security-policy": "default-src 'self'; script-src 'self' 'unsafe-inline'" };
  const { problems } = await visit(project, { headers });
  assert.match(problems.join("\n"), /engine does not start here/);
});
