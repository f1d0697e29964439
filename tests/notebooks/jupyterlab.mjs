// The notebook package in a real JupyterLab: the example notebooks, with the real models. Not run by `npm test` and not
// passing: `wait()` in the cell that calls `run()` gets no answer (see notebooks/README.md).
import assert from "node:assert/strict";
import { copyFile, symlink } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { cosine } from "../bench/statistics.mjs";
import { startChromium } from "../support/chromium.mjs";
import { folders, models, reference } from "../support/paths.mjs";
import { startServer } from "../support/server.mjs";
import { openNotebook, startJupyter } from "./jupyter.mjs";

const [prompt] = (await reference("smollm2-135m-instruct-q4_1")).prompts;
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

/** Opens an example, runs all of it, and finds no error. */
async function example(name) {
  const notebook = await openNotebook(browser.context, jupyter, `${name}.ipynb`);
  const cells = await notebook.runAll();
  assert.deepEqual(
    cells.flatMap(({ errors }) => errors),
    [],
  );
  return { notebook, cells };
}

test("generate: the reference's tokens reach Python, from a path", async (t) => {
  const { notebook, cells } = await example("generate");
  const { python } = notebook;
  const seen = await python(
    "g = generate",
    "dict(ids=g.ids, prompt_ids=g.prompt_ids, text=g.text, speed=g.tokens_per_second, status=g.status, device=g.device)",
  );
  assert.deepEqual(seen.ids, prompt.greedy_ids.slice(0, 16));
  assert.deepEqual(seen.prompt_ids, prompt.ids);
  assert.ok(prompt.greedy_text.startsWith(seen.text) && seen.text.length > 10, seen.text);
  assert.ok(seen.speed > 0.5, `${seen.speed}`);
  assert.equal(seen.status, "done");
  assert.match(cells[2].text, / Paris/);
  t.diagnostic(`${seen.speed.toFixed(1)} tokens per second; ${seen.device}`);

  // The text is in the page too, and its Run button asks anew.
  const { page } = notebook;
  await page.locator(".lexigraft .written", { hasText: "Paris" }).waitFor();
  await page.getByLabel("Prompt").fill("Once upon a time, there was a little robot who");
  await page.getByRole("button", { name: "Run", exact: true }).click();
  await page.locator(".lexigraft [role=status]", { hasText: "done" }).waitFor();
  await page.locator(".lexigraft .written", { hasNotText: "Paris" }).waitFor();
  const [, robot] = (await reference("smollm2-135m-instruct-q4_1")).prompts;
  await page.waitForTimeout(500);
  assert.deepEqual(await python("", "generate.ids"), robot.greedy_ids.slice(0, 16));

  // It streams: Python sees the text grow.
  await python(
    "texts = []\nwatch = lambda change: texts.append(change['new'])\ngenerate.observe(watch, 'text')\n" +
      "generate.run(prompt='The capital of France is').wait()\ngenerate.unobserve(watch, 'text')",
  );
  const texts = (await python("", "texts")).filter((text) => text !== "");
  assert.ok(texts.length >= 2, `${texts.length} texts`);
  assert.ok(
    texts.every((text, index) => text.startsWith(texts[index - 1] ?? "")),
    texts.join("|"),
  );

  // Chat, a stop, and what cannot work.
  await python("generate.run(chat=True, prompt='Say hello.', max_tokens=8).wait()");
  assert.ok((await python("", "generate.text")).length > 0);
  const code = (run) =>
    python(
      `try:\n    ${run}\n    code = None\nexcept lexigraft.LexigraftError as e:\n    code = e.code`,
      "code",
    );
  assert.equal(
    await code(
      "import time; generate.run(chat=False, prompt='One, two,', max_tokens=2000); time.sleep(2); generate.stop(); generate.wait()",
    ),
    "aborted",
  );
  assert.equal(await code("generate.run(max_tokens=0).wait()"), "invalid-argument");
  assert.deepEqual(await python("", "[generate.status, generate.error.code]"), [
    "failed",
    "invalid-argument",
  ]);
  assert.equal(
    await code("generate.run(model=b'no model at all', max_tokens=4).wait()"),
    "unsupported-format",
  );
  assert.equal(await code("generate.run(model='https://localhost:9/none.gguf').wait()"), "network");
  assert.equal(await code("generate.run(model=lexigraft.served('none.gguf')).wait()"), "not-found");
  assert.equal(await code("generate.run(model='/no/such.gguf').wait()"), "not-found");

  // The same model from the notebook's server, as bytes, and from an address.
  await symlink(join(folders.models, models.smollm2), join(jupyter.folder, "model.gguf")).catch(() =>
    copyFile(join(folders.models, models.smollm2), join(jupyter.folder, "model.gguf")),
  );
  const server = await startServer({ headers: { "access-control-allow-origin": "*" } });
  try {
    const path = `open(f"{models}/${models.smollm2}", "rb").read()`;
    for (const source of [
      "lexigraft.served('model.gguf')",
      path,
      `'${server.url}/models/${models.smollm2}'`,
    ]) {
      const start = performance.now();
      await python(`generate.run(model=${source}, prompt="The capital of France is", max_tokens=8).wait()`);
      assert.deepEqual(await python("", "generate.ids"), prompt.greedy_ids.slice(0, 8), source);
      t.diagnostic(`${source.slice(0, 24)}…: ${((performance.now() - start) / 1000).toFixed(1)} s`);
    }
  } finally {
    await server.close();
  }
  assert.deepEqual(notebook.problems, []);
  await notebook.close();
});

test("bytes: 257 logarithms that sum to one, and the score of a text", async () => {
  const { notebook, cells } = await example("bytes");
  assert.match(cells[2].text, /^257/);
  assert.match(cells[3].text, /^n 0\.9/);
  const [logProbs, perByte, logProb, bits] = await notebook.python(
    "f = following; cut = [max(v, -1e30) for v in f.log_probs]",
    "[cut, f.per_byte, f.log_prob, f.bits_per_byte]",
  );
  assert.equal(logProbs.length, 257);
  assert.ok(Math.abs(logProbs.reduce((sum, value) => sum + Math.exp(value), 0) - 1) < 1e-5);
  assert.equal(perByte.length, "nce is Paris.".length);
  assert.ok(Math.abs(perByte.reduce((sum, value) => sum + value, 0) - logProb) < 1e-3);
  assert.ok(Math.abs(bits + logProb / Math.LN2 / perByte.length) < 1e-6);
  // Half a character is a prefix too: the second byte of "ü" follows.
  await notebook.python("f.run(prefix='Gr'.encode() + b'\\xc3', text='').wait()");
  const next = await notebook.python("", "max(range(257), key=lambda byte: f.log_probs[byte])");
  assert.ok(next >= 0x80 && next < 0xc0, `${next}`);
  await notebook.page.locator(".lexigraft td").first().waitFor();
  assert.deepEqual(notebook.problems, []);
  await notebook.close();
});

test("graft: the counts and bits of another tokenizer", async () => {
  const { notebook } = await example("graft");
  const [report, before, after, tokens] = await notebook.python(
    "g = graft",
    "[g.report, g.bits_before, g.bits_after, [g.tokens_before, g.tokens_after]]",
  );
  assert.equal(report.method, "fvt");
  assert.ok(report.shared > 30_000 && report.made > 50_000);
  assert.ok(before > 0.3 && after > before, `${before} and ${after}`);
  assert.ok(tokens[1] < tokens[0], `${tokens}`);
  // As tests/browser/graft.test.mjs has it of the package.
  await notebook.python('g.run(tokenizer=f"{models}/tokenizers/llama3/tokenizer.json").wait()');
  assert.deepEqual(await notebook.python("", "g.report"), {
    method: "fvt",
    tokens: 128256,
    shared: 39310,
    special: 3,
    made: 88690,
  });
  assert.deepEqual(notebook.problems, []);
  await notebook.close();
});

test("see: the reference's vector from a file, a PIL image and an array", async () => {
  const { notebook, cells } = await example("see");
  assert.match(cells[2].text, /\(384, \[224, 224\]\)/);
  assert.match(cells[3].text, /^60% of the work, 65 tokens at the end/);
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
  assert.ok(await notebook.page.locator(".lexigraft canvas").isVisible());
  assert.deepEqual(notebook.problems, []);
  await notebook.close();
});
