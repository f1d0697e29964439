// The notebook package in a real JupyterLab: the example notebooks, with the real models. `cargo xtask notebooks` installs
// what this needs and runs it.
import assert from "node:assert/strict";
import { copyFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { cosine } from "../bench/statistics.mjs";
import { startChromium } from "../support/chromium.mjs";
import { folders, models, reference } from "../support/paths.mjs";
import { startServer } from "../support/server.mjs";
import { openNotebook, startJupyter } from "./jupyter.mjs";

const [prompt, robot] = (await reference("smollm2-135m-instruct-q4_1")).prompts;
/** What takes long: a text that the model does not end by itself. */
const LONG = `chat=False, prompt=${JSON.stringify(robot.prompt)}, max_tokens=1500`;
let browser;
let jupyter;

before(async () => {
  jupyter = await startJupyter();
  browser = await startChromium();
});
after(async () => {
  await browser?.close();
  await jupyter?.close();
});

const seconds = (start) => `${((performance.now() - start) / 1000).toFixed(1)} s`;

/** Opens an example, runs all of it at once, and finds no error. */
async function example(name) {
  const notebook = await openNotebook(browser.context, jupyter, `${name}.ipynb`);
  const start = performance.now();
  const cells = await notebook.runAll();
  const took = `${name}.ipynb, all cells: ${seconds(start)}`;
  assert.deepEqual(
    cells.flatMap(({ errors }) => errors),
    [],
  );
  return { notebook, cells, took };
}

/** The code of the error that lines of Python end with. */
const codeOf = (notebook, lines) =>
  notebook.python(
    `code = None\ntry:\n${lines.replaceAll(/^/gm, "    ")}\nexcept lexigraft.LexigraftError as e:\n    code = e.code`,
    "code",
  );

describe("generate", () => {
  // One page and kernel for all, as someone would work on; each test says what it asks for.
  let notebook;
  let cells;
  let took;
  let page;
  let python;

  before(async () => {
    ({ notebook, cells, took } = await example("generate"));
    ({ page, python } = notebook);
  });
  after(async () => {
    assert.deepEqual(notebook?.problems ?? [], []);
    await notebook?.close();
  });

  test("the reference's tokens reach Python, in the line after wait() and after await", async (t) => {
    // What the cells showed: text, then speed and ids, then the answer to a question, then a code.
    assert.match(cells[2].text, /^ Paris/);
    assert.ok(prompt.greedy_text.startsWith(cells[2].text.trimEnd()), cells[2].text);
    const [speed] = /^[\d.]+(?= tokens per second; .*one thread)/i.exec(cells[3].text);
    assert.ok(Number(speed) > 0.5, speed);
    const ids = prompt.greedy_ids.slice(0, 16);
    assert.ok(cells[3].text.endsWith(`[${ids.join(", ")}]`), cells[3].text);
    assert.match(cells[4].text, /[Gg]ravity.*\n\d+ changes of the text/s);
    assert.equal(cells[5].text, "not-found\n");
    t.diagnostic(`${took}, ${speed} tokens per second`);

    // Values in the very next lines, and the text while it is written.
    await python(
      "texts = []\nwatch = lambda change: texts.append(change['new'])\ngenerate.observe(watch, 'text')\n" +
        "generate.run(chat=False, prompt='The capital of France is', max_tokens=16).wait()\n" +
        "at_once = [generate.ids, generate.prompt_ids, generate.text, generate.status, generate.reason]\n" +
        "generate.unobserve(watch, 'text')",
    );
    const [atOnce, texts] = await python("", "[at_once, texts]");
    assert.deepEqual(atOnce.slice(0, 2), [ids, prompt.ids]);
    assert.ok(prompt.greedy_text.startsWith(atOnce[2]) && atOnce[2].length > 10, atOnce[2]);
    assert.deepEqual(atOnce.slice(3), ["done", "max-tokens"]);
    const written = texts.filter((text) => text !== "");
    assert.ok(written.length >= 2, `${written.length} texts`);
    for (const text of written) assert.ok(atOnce[2].startsWith(text), text);
    await python("await generate.run(max_tokens=4)\nawaited = generate.ids");
    assert.deepEqual(await python("", "awaited"), ids.slice(0, 4));

    // A widget that is shown nowhere runs too.
    await python(
      "hidden = lexigraft.Generate(model=smollm2, temperature=0, max_tokens=4, prompt=generate.prompt)",
    );
    await python("hidden_ids = hidden.run().wait().ids");
    assert.deepEqual(await python("", "hidden_ids"), ids.slice(0, 4));

    // The view, and its buttons.
    await page.locator(".lexigraft .written", { hasText: "Paris" }).waitFor();
    await page.getByLabel("Prompt").fill(robot.prompt);
    await python("generate.max_tokens = 16");
    await page.getByRole("button", { name: "Run", exact: true }).click();
    await page.locator(".lexigraft [role=status]", { hasText: "done" }).waitFor();
    await page.locator(".lexigraft .written", { hasNotText: "Paris" }).waitFor();
    await python("generate.wait()");
    assert.deepEqual(await python("", "[generate.ids, generate.prompt]"), [
      robot.greedy_ids.slice(0, 16),
      robot.prompt,
    ]);
    await python(`generate.run(${LONG})`);
    await page.locator(".lexigraft [role=status]", { hasText: "running" }).waitFor();
    await page.getByRole("button", { name: "Stop", exact: true }).click();
    await page.locator(".lexigraft [role=alert]", { hasText: "aborted" }).waitFor();
    assert.equal(await codeOf(notebook, "generate.wait()"), "aborted");
  });

  test("stops, interrupts and errors have their codes in Python", async () => {
    const code = (lines) => codeOf(notebook, lines);
    assert.equal(
      await code(
        `import time\ngenerate.run(${LONG})\n` +
          "while not generate.text: time.sleep(0.05)\ngenerate.stop()\ngenerate.wait()",
      ),
      "aborted",
    );
    assert.ok((await python("", "generate.text")).length > 0, "what was written is kept");
    assert.equal(await code("generate.run(max_tokens=0).wait()"), "invalid-argument");
    assert.deepEqual(await python("", "[generate.status, generate.error.code]"), [
      "failed",
      "invalid-argument",
    ]);
    assert.equal(await code("await generate.run(max_tokens=0)"), "invalid-argument");
    assert.equal(
      await code("generate.run(model=b'no model at all', max_tokens=4).wait()"),
      "unsupported-format",
    );
    assert.equal(await code("generate.run(model='https://localhost:9/none.gguf').wait()"), "network");
    assert.equal(await code("generate.run(model=lexigraft.served('none.gguf')).wait()"), "not-found");
    assert.equal(await code("generate.run(model='/no/such.gguf').wait()"), "not-found");
    // A request in place of another: the newer one is answered.
    await python(`generate.run(model=smollm2, ${LONG})`);
    await python(`generate.run(prompt=${JSON.stringify(prompt.prompt)}, max_tokens=4).wait()`);
    assert.deepEqual(await python("", "generate.ids"), prompt.greedy_ids.slice(0, 4));

    for (const wait of ["generate.wait()", "await generate"]) {
      const running = python(`generate.run(${LONG})\n${wait}`).catch((error) => error.message);
      await page.locator(".lexigraft [role=status]", { hasText: "running" }).waitFor();
      await notebook.interrupt();
      assert.match(await running, /KeyboardInterrupt|CancelledError/);
      await page.locator(".lexigraft [role=alert]", { hasText: "aborted" }).waitFor();
    }
  });

  test("the model by the server, as bytes, and from an address", async (t) => {
    const asked = `chat=False, prompt=${JSON.stringify(prompt.prompt)}, max_tokens=8`;
    const file = join(folders.models, models.smollm2);
    // A link would lead out of the folder that the server serves.
    await copyFile(file, join(jupyter.folder, "model.gguf"));
    const server = await startServer({ headers: { "access-control-allow-origin": "*" } });
    try {
      for (const source of [
        `f"{models}/${models.smollm2}"`,
        "lexigraft.served('model.gguf')",
        `open(f"{models}/${models.smollm2}", "rb").read()`,
        `'${server.url}/models/${models.smollm2}'`,
      ]) {
        const start = performance.now();
        await python(`generate.run(model=${source}, ${asked}).wait()`);
        assert.deepEqual(await python("", "generate.ids"), prompt.greedy_ids.slice(0, 8), source);
        t.diagnostic(`${source.slice(0, 24)}…: ${seconds(start)}`);
      }
    } finally {
      await server.close();
    }
  });

  test("a page that is loaded anew shows the widget and answers its open request", async () => {
    await python(`generate.run(model=smollm2, ${LONG})`);
    const begun = { hasText: robot.greedy_text.trim().slice(0, 20) };
    await page.locator(".lexigraft .written", begun).waitFor();
    await notebook.reload();
    await page.locator(".lexigraft [role=status]", { hasText: "running" }).waitFor();
    await page.locator(".lexigraft .written", begun).waitFor();
    assert.equal(await codeOf(notebook, "generate.stop()\ngenerate.wait()"), "aborted");
    await python(`generate.run(prompt=${JSON.stringify(prompt.prompt)}, max_tokens=4).wait()`);
    assert.deepEqual(await python("", "generate.ids"), prompt.greedy_ids.slice(0, 4));
  });
});

test("where messages reach no running cell, await gets the values and wait() tells of it", async () => {
  // By a name of its own, so that no other test's kernel is there.
  const example = join(folders.root, "notebooks", "examples", "generate.ipynb");
  await copyFile(example, join(jupyter.folder, "no-subshells.ipynb"));
  const notebook = await openNotebook(browser.context, jupyter, "no-subshells.ipynb", { subshells: false });
  await notebook.python(
    'import os, lexigraft, lexigraft.job\nmodels = os.environ["LEXIGRAFT_MODELS"]\n' +
      `generate = lexigraft.Generate(model=f"{models}/${models.smollm2}", temperature=0, max_tokens=4)`,
  );
  await notebook.python(`await generate.run(prompt=${JSON.stringify(prompt.prompt)})\nids = generate.ids`);
  assert.deepEqual(await notebook.python("", "ids"), prompt.greedy_ids.slice(0, 4));
  await notebook.python(
    "lexigraft.job.FIRST_ANSWER_SECONDS = 2\ntry:\n    generate.run(max_tokens=3).wait()\n    said = ''\n" +
      "except TimeoutError as error:\n    said = str(error)",
  );
  assert.match(await notebook.python("", "said"), /`await`/);
  // What was kept back arrives between cells.
  await notebook.python("await generate");
  assert.deepEqual(await notebook.python("", "generate.ids"), prompt.greedy_ids.slice(0, 3));
  assert.deepEqual(notebook.problems, []);
  await notebook.close();
});

test("bytes: 257 logarithms that sum to one, and the score of a text", async (t) => {
  const { notebook, cells, took } = await example("bytes");
  t.diagnostic(took);
  assert.match(cells[2].text, /^n 0\.9/);
  // Half a character is a prefix too.
  assert.equal(cells[3].text, "'ü'");
  await notebook.python("f = following.run(prefix='The capital of Fra', text='nce is Paris.').wait()");
  const [logProbs, perByte, logProb, bits] = await notebook.python(
    "cut = [max(v, -1e30) for v in f.log_probs]",
    "[cut, f.per_byte, f.log_prob, f.bits_per_byte]",
  );
  assert.equal(logProbs.length, 257);
  assert.ok(Math.abs(logProbs.reduce((sum, value) => sum + Math.exp(value), 0) - 1) < 1e-5);
  assert.equal(perByte.length, "nce is Paris.".length);
  assert.ok(Math.abs(perByte[0] - logProbs["n".charCodeAt(0)]) < 1e-4);
  assert.ok(Math.abs(perByte.reduce((sum, value) => sum + value, 0) - logProb) < 1e-3);
  assert.ok(Math.abs(bits + logProb / Math.LN2 / perByte.length) < 1e-6);
  const first = notebook.page.locator(".lexigraft tbody tr").first();
  await first.waitFor();
  assert.match(await first.innerText(), /^n\s+9\d\.\d\d %$/);
  // Among all tokenizations there are the canonical ones.
  await notebook.python("f.run(estimand='all', beam=8).wait()");
  assert.ok((await notebook.python("", "f.log_prob")) > logProb - 0.05);
  assert.deepEqual(notebook.problems, []);
  await notebook.close();
});

test("graft: the counts and bits of another tokenizer", async (t) => {
  const { notebook, took } = await example("graft");
  t.diagnostic(took);
  const [report, before, after, tokens] = await notebook.python(
    "g = graft",
    "[g.report, g.bits_before, g.bits_after, [g.tokens_before, g.tokens_after]]",
  );
  assert.equal(report.method, "fvt");
  assert.ok(report.shared > 30_000 && report.made > 50_000);
  assert.ok(before > 0.3 && after > before, `${before} and ${after}`);
  assert.ok(tokens[1] < tokens[0], `${tokens}`);
  const { page } = notebook;
  await page.locator(".lexigraft", { hasText: `${report.tokens} tokens by fvt` }).waitFor();
  await page.locator(".lexigraft tr", { hasText: `after${after.toFixed(3)}` }).waitFor();
  // As tests/browser/graft.test.mjs has it of the package.
  await notebook.python('g.run(tokenizer=f"{models}/tokenizers/llama3/tokenizer.json").wait()');
  assert.deepEqual(await notebook.python("", "g.report"), {
    method: "fvt",
    tokens: 128256,
    shared: 39310,
    special: 3,
    made: 88690,
  });
  assert.equal(await codeOf(notebook, "g.run(tokenizer=b'{}').wait()"), "bad-tokenizer");
  assert.equal(await codeOf(notebook, "g.run(tokenizer=None).wait()"), "tokenizer-missing");
  assert.deepEqual(notebook.problems, []);
  await notebook.close();
});

test("see: the reference's vector from a file, a PIL image and an array", async (t) => {
  const { notebook, cells, took } = await example("see");
  t.diagnostic(took);
  assert.match(cells[1].text, /^384 numbers, 257 tokens at the end\n/);
  assert.match(cells[2].text, /^60% of the work, 65 tokens at the end, a cosine of 0\.9/);
  const wanted = (await reference("vit-s-focus")).cases.find(({ input }) => input === "coffee");
  const photograph = "f'{models}/photographs/coffee.png'";
  await notebook.python("import PIL.Image, numpy");
  for (const image of [
    photograph,
    `PIL.Image.open(${photograph})`,
    `numpy.asarray(PIL.Image.open(${photograph}))`,
  ]) {
    await notebook.python(`see.run(reduce="", image=${image}).wait()`);
    const [embedding, heat] = await notebook.python(
      "rows = see.heat_rows()",
      "[see.embedding, sum(map(sum, rows)) / 224 / 224]",
    );
    assert.equal(embedding.length, 384);
    assert.ok(cosine(embedding, wanted.cls) > 0.99999, image);
    assert.ok(Math.abs(heat - wanted.heat_mean) < 1e-3, `${heat}`);
  }
  assert.equal(await codeOf(notebook, "see.run(image=b'no picture').wait()"), "not-an-image");
  assert.equal(
    await codeOf(notebook, 'see.run(image=PIL.Image.new("RGB", (8, 8)), reduce="none:such").wait()'),
    "unknown-method",
  );
  await notebook.python(`see.run(reduce="", image=${photograph}).wait()`);
  const canvas = notebook.page.locator(".lexigraft canvas");
  assert.ok(await canvas.isVisible());
  // The view's pixels are Python's values.
  const red = await canvas.evaluate((canvas) => {
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    return data.filter((_, index) => index % 4 === 0).reduce((sum, value) => sum + value, 0) / 224 / 224;
  });
  assert.ok(Math.abs(red / 255 - wanted.heat_mean) < 5e-3, `${red / 255}`);
  assert.deepEqual(notebook.problems, []);
  await notebook.close();
});
