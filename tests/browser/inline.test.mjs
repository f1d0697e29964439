// The package as one file, imported from a text as notebooks do: no bundler, no headers, nothing beside it.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { openPage, startChromium } from "../support/chromium.mjs";
import { models, reference } from "../support/paths.mjs";
import { startServer } from "../support/server.mjs";

const SMOLLM2 = `/models/${models.smollm2}`;
const [prompt] = (await reference("smollm2-135m-instruct-q4_1")).prompts;
let browser;

before(async () => {
  browser = await startChromium();
});
after(async () => {
  await browser?.close();
});

/** Imports the file's text from an address of its own, and writes. */
async function write({ scheme = "blob", headers = {}, options = {} } = {}) {
  const server = await startServer({ headers });
  const { page, problems } = await openPage(browser.context, `${server.url}/pages/empty.html`);
  try {
    const result = await page.evaluate(
      async ([scheme, model, prompt, options]) => {
        const text = await (await fetch("/pkg/dist/inline.js")).text();
        const type = "text/javascript";
        const address =
          scheme === "blob"
            ? URL.createObjectURL(new Blob([text], { type }))
            : `data:${type};charset=utf-8,${encodeURIComponent(text)}`;
        const { Lexigraft, LexigraftError } = await import(address);
        const lexigraft = await Lexigraft.create(options).catch((error) => error);
        if (lexigraft instanceof LexigraftError) return { code: lexigraft.code, message: lexigraft.message };
        const lm = await lexigraft.languageModel(model);
        const { ids } = await lm.generate(prompt, { maxTokens: 8, temperature: 0 }).result;
        const { module } = await lexigraft.memory();
        await lexigraft.dispose();
        return { ids: [...ids], device: lexigraft.device, bytes: module.bytes, characters: text.length };
      },
      [scheme, SMOLLM2, prompt.prompt, options],
    );
    const workers = problems.filter((problem) => !/worker-src/.test(problem));
    return { ...result, problems: workers, seen: server.seen };
  } finally {
    await page.close();
    await server.close();
  }
}

function assertWritten({ ids, device, problems, seen }) {
  assert.deepEqual(ids, prompt.greedy_ids.slice(0, 8));
  assert.equal(device.kind, "cpu");
  assert.equal(device.threads, 1);
  assert.deepEqual(problems, []);
  const wanted = ["/pages/empty.html", "/pkg/dist/inline.js", SMOLLM2, "/favicon.ico"];
  assert.deepEqual(
    seen.filter((path) => !wanted.includes(path)),
    [],
    "nothing else is fetched",
  );
}

test("imported from a blob: address, it writes in a worker", async () => {
  const result = await write();
  assertWritten(result);
  assert.match(result.device.reason, /the single file has no threads/);
  console.log(`${result.characters} characters, of which the engine unpacks to ${result.bytes} bytes`);
});

test("imported from a data: address, it writes too", async () => {
  assertWritten(await write({ scheme: "data" }));
});

test("where the page allows no worker, it writes in the page and says so", async () => {
  const policy = "script-src 'self' blob: 'wasm-unsafe-eval'; worker-src 'none'";
  const result = await write({ headers: { "content-security-policy": policy } });
  assertWritten(result);
  assert.match(result.device.reason, /allows no worker/);
});

test("WebGPU is refused by name", async () => {
  const { code, message } = await write({ options: { device: "webgpu" } });
  assert.equal(code, "no-webgpu");
  assert.match(message, /CPU engine alone/);
});

/**
 * A page imports the file from another origin, which sends nothing but CORS's header, as networks for npm's packages do.
 * The page may be in a frame of another.
 */
async function importInFrame(frame) {
  const page = await startServer();
  const network = await startServer({ headers: { "access-control-allow-origin": "*" } });
  const { page: opened, problems } = await openPage(browser.context, `${page.url}/pages/empty.html`);
  try {
    const query = new URLSearchParams({
      module: `${network.url}/pkg/dist/inline.js`,
      model: `${network.url}${SMOLLM2}`,
      prompt: prompt.prompt,
    });
    const cell = `${page.url}/pages/cell.html?${query}`;
    const said = await opened.evaluate(
      ([cell, frame]) =>
        new Promise((resolve) => {
          addEventListener("message", ({ data }) => resolve(data));
          const element = document.createElement("iframe");
          if (frame.sandbox) element.sandbox = frame.sandbox;
          element.src = cell;
          document.body.append(element);
        }),
      [cell, frame],
    );
    assert.equal(said.message, undefined);
    return { said, problems, ofPage: page.seen, ofNetwork: network.seen };
  } finally {
    await opened.close();
    await network.close();
    await page.close();
  }
}

for (const [name, frame] of [
  ["a page of another origin", {}],
  ["a frame that has no origin", { sandbox: "allow-scripts" }],
]) {
  test(`imported by address into ${name}, it writes`, async () => {
    const { said, problems, ofPage, ofNetwork } = await importInFrame(frame);
    assert.deepEqual(said.ids, prompt.greedy_ids.slice(0, 8));
    assert.equal(said.origin === "null", frame.sandbox !== undefined);
    assert.doesNotMatch(said.device.reason, /allows no worker/);
    assert.deepEqual(problems, []);
    // The module and the model come from the other origin, and nothing else from anywhere.
    assert.deepEqual([...new Set(ofNetwork)].sort(), [SMOLLM2, "/pkg/dist/inline.js"]);
    assert.deepEqual(
      ofPage.filter((path) => path !== "/favicon.ico"),
      ["/pages/empty.html", "/pages/cell.html"],
    );
  });
}
