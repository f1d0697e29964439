// The package as a stranger gets it: its tarball in fresh projects, built by their bundlers, served by a plain host.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { cp, mkdtemp, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { openPage, startChromium } from "../support/chromium.mjs";
import { folders, models, reference } from "../support/paths.mjs";
import {
  filesIn,
  newProject,
  npm,
  npmRun,
  packTo,
  projectsFolder,
  read,
  remove,
  run,
  serveProject,
  shell,
  tool,
} from "../support/projects.mjs";
import { startServer } from "../support/server.mjs";

/** The strictest policy that WebAssembly can live with. */
const POLICY = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'";
const model = join(folders.models, models.smollm2);
const { prompts } = await reference("smollm2-135m-instruct-q4_1");
const [prompt] = prompts;

/**
 * Each with the bytes of script that the page itself may have; Rollup alone does not make them smaller. The threads' script
 * is another one to follow, tried where a bundler follows any.
 */
const bundlers = {
  vite: { script: 40_000, threads: true },
  vite7: { script: 40_000 },
  webpack: { script: 45_000, threads: true },
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

for (const [name, { script, beside, threads }] of Object.entries(bundlers)) {
  test(`${name} builds a page that writes, under a strict content security policy`, async () => {
    const project = await newProject(folder, name, tarball);
    await npmRun(project, "build");
    const site = join(project, "out");
    const result = await visit(site, { headers: { "content-security-policy": POLICY } });
    assertWritten(result);
    const bytes = result.scripts.reduce((sum, [, size]) => sum + size, 0);
    console.log(`${name}: ${bytes} bytes of script in the page`);
    if (threads) {
      const isolated = {
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-embedder-policy": "require-corp",
      };
      const threaded = await visit(site, { headers: isolated });
      assertWritten(threaded);
      assert.ok(
        threaded.seen.some((path) => /thread/.test(path)),
        `no thread's script in ${threaded.seen}`,
      );
    }
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

test("the worker and its engine from another origin", async () => {
  const project = join(folder, "importmap");
  const other = await startServer({
    mounts: [["/", join(project, "node_modules", "lexigraft", "dist")]],
    headers: { "access-control-allow-origin": "*" },
  });
  try {
    const main = await read(join(project, "main.js"));
    const elsewhere = main.replace("create()", `create({ workerUrl: "${other.url}/worker.js" })`);
    assert.notEqual(main, elsewhere);
    await writeFile(join(project, "main.js"), elsewhere);
    const { problems, ids } = await visit(project);
    assert.deepEqual(problems, []);
    assert.deepEqual(ids, prompt.greedy_ids.slice(0, 8));
    assert.equal(other.hits("/wasm/cpu/lexigraft_bg.wasm"), 1);
    await writeFile(join(project, "main.js"), main);
  } finally {
    await other.close();
  }
});

test("a policy that forbids WebAssembly is named", async () => {
  const project = join(folder, "importmap");
  const headers = { "content-security-policy": "default-src 'self'; script-src 'self' 'unsafe-inline'" };
  const { problems } = await visit(project, { headers });
  assert.match(problems.join("\n"), /engine does not start here/);
});

test("the README's way from an empty folder to text in a page works as it is written", async () => {
  const readme = await read(join(folders.root, "README.md"));
  const section = /^## In a page\n(.*?)^## /ms.exec(readme)[1];
  const [, commands] = /```sh\n(.*?)```/s.exec(section);
  const [, page] = /```html\n(.*?)```/s.exec(section);
  const lines = commands.trim().split("\n");
  assert.ok(lines.length <= 3, commands);
  assert.ok(page.trim().split("\n").length <= 15, page);
  const theirs = await read(join(folders.packageRoot, "README.md"));
  assert.ok(theirs.includes(commands) && theirs.includes(page), "the package's README says the same");
  const [address] = /https:\/\/[^"]+/.exec(page);

  // What is not published comes from its tarball, and what is comes in the version that is pinned here.
  const { dependencies } = JSON.parse(await read(join(folders.bundlerTemplates, "package.json")));
  const versions = { lexigraft: tarball, vite: `vite@${dependencies.vite}` };
  const [install, ...serve] = lines;
  const project = await mkdtemp(join(tmpdir(), "lexigraft-newcomer-"));
  const files = await startServer({
    mounts: [["/model.gguf", model]],
    headers: { "access-control-allow-origin": "*" },
  });
  let vite;
  try {
    await shell(
      install.replace(/\b(lexigraft|vite)\b/g, (name) => versions[name]),
      project,
    );
    await writeFile(join(project, "index.html"), page);
    assert.deepEqual(serve, ["npx vite"]);
    vite = await serveProject(serve[0], project);
    // This machine may have no way to the model's host, which also answers with another address.
    await browser.context.route(address, (route) =>
      route.fulfill({
        status: 302,
        headers: { location: `${files.url}/model.gguf`, "access-control-allow-origin": "*" },
      }),
    );
    const { page: tab, problems } = await openPage(browser.context, vite.url);
    const chat = prompts.find(({ prompt }) => prompt.startsWith("<|im_start|>"));
    const start = chat.greedy_text.slice(0, 40);
    const written = tab.waitForFunction(
      (length) => (document.querySelector("p")?.textContent.length ?? 0) >= length,
      start.length,
      { timeout: 120_000 },
    );
    await written.catch((error) => {
      throw new Error(`${error.message}: ${problems.join("; ")}`);
    });
    assert.ok((await tab.locator("p").textContent()).startsWith(start));
    assert.deepEqual(problems, []);
    assert.equal(files.hits("/model.gguf"), 1);
    await tab.close();
  } finally {
    await vite?.close();
    await files.close();
    await remove(project);
  }
});

test("Node runs the package from its tarball", async () => {
  const project = join(folder, "esbuild");
  await writeFile(
    join(project, "app.js"),
    `import { Lexigraft } from "lexigraft/node";
    const lexigraft = await Lexigraft.create();
    const lm = await lexigraft.languageModel(process.argv[2]);
    const { ids } = await lm.generate(process.argv[3], { maxTokens: 8, temperature: 0 }).result;
    console.log(String(ids));
    await lexigraft.dispose();`,
  );
  const said = await run(process.execPath, ["app.js", model, prompt.prompt], project);
  assert.deepEqual(said.trim().split(",").map(Number), prompt.greedy_ids.slice(0, 8));
});

test("every entry has its types, for a strict project without Node's", async () => {
  const project = join(folder, "esbuild");
  const entries = ["lexigraft", "lexigraft/inline", "lexigraft/node"];
  const source = (entry, at) => `
    import { Lexigraft as L${at}, type Piece as P${at}, LexigraftError as E${at} } from "${entry}";
    export async function use${at}(): Promise<P${at}[]> {
      await using lexigraft = await L${at}.create({ device: "cpu" });
      const lm = await lexigraft.languageModel("model.gguf");
      const pieces: P${at}[] = [];
      for await (const piece of lm.generate("a", { maxTokens: 1 })) pieces.push(piece);
      // @ts-expect-error: there is no such option
      await L${at}.create({ devise: "cpu" });
      throw new E${at}("io", "no");
    }`;
  await writeFile(join(project, "app.ts"), entries.map(source).join("\n"));
  const tsc = join(folders.nodeModules, "typescript", "bin", "tsc");
  const strict = ["--noEmit", "--strict", "--exactOptionalPropertyTypes", "--skipLibCheck", "false"];
  const target = ["--target", "es2022", "--module", "nodenext", "--lib", "es2022,esnext.disposable,dom"];
  await run(process.execPath, [tsc, ...strict, ...target, "--types", "", "app.ts"], project);
});

test("publint and Are The Types Wrong find nothing", async () => {
  assert.match(await tool("publint", ["run", tarball, "--strict"], folder), /All good/);
  await tool("attw", [tarball, "--profile", "esm-only"], folder);
});

test("what is built and packed again is the same, byte by byte", async () => {
  await run(npm, ["run", "build", "-w", "pkg"], folders.root);
  const again = await packTo(join(folder, "again"));
  const hash = async (path) =>
    createHash("sha256")
      .update(await readFile(path))
      .digest("hex");
  assert.equal(await hash(again), await hash(tarball));
});
