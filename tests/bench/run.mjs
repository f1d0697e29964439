// Lexigraft beside its peers in one Chromium, on the same weights, with as many threads each, in turns.
//   node bench/run.mjs [--rounds 5] [--tokens 48] [--only decoder|encoder] [--webgpu] [--out FOLDER] [--save FILE]
import { mkdir, writeFile } from "node:fs/promises";
import { cpus } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { startChromium } from "../support/chromium.mjs";
import { measureFirstToken, measureLoading, measureSpeed } from "./measure-decoder.mjs";
import { measureEncoder } from "./measure-encoder.mjs";
import { report } from "./report.mjs";
import { moduleSizes } from "./sizes.mjs";
import { longPrompt, prompt, sentences } from "./texts.mjs";

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "5" },
    tokens: { type: "string", default: "48" },
    only: { type: "string" },
    webgpu: { type: "boolean", default: false },
    out: { type: "string" },
    save: { type: "string" },
  },
});
const rounds = positive(values.rounds, "--rounds");
const tokens = positive(values.tokens, "--tokens");
const { only, webgpu } = values;
if (only !== undefined && only !== "decoder" && only !== "encoder") {
  throw new Error(`--only must be decoder or encoder, not ${only}`);
}

const results = {
  date: new Date().toISOString().slice(0, 10),
  machine: `${cpus().length} x ${cpus()[0]?.model ?? "unknown processor"}`,
  browser: await chromiumVersion(),
  rounds,
  sizes: await moduleSizes(),
};
if (only !== "encoder") {
  results.decoder = {
    model: "SmolLM2-135M-Instruct Q4_1",
    prompt,
    tokens,
    // 30 blocks of 576 x 960 + 576 x 576 + 3 x 576 x 1536 products; the head has 49152 x 576.
    weights: { bytes: 96_436_224, products: 134_479_872, prefillProducts: 106_168_320 },
    loading: await measureLoading("cpu"),
    firstToken: await measureFirstToken({ rounds: Math.min(rounds, 3), prompt }),
    contestants: await measureSpeed({ rounds, tokens, webgpu, prompt, longPrompt }),
  };
}
if (only !== "decoder") results.encoder = await measureEncoder({ rounds, webgpu, sentences });

const text = report(results);
console.log(`\n${text}`);
if (values.out) {
  await mkdir(values.out, { recursive: true });
  const path = join(values.out, "bench.json");
  await writeFile(path, `${JSON.stringify(results, null, 2)}\n`);
  console.log(`Every round is in ${path}`);
}
if (values.save) {
  await writeFile(values.save, text);
  console.log(`The table is in ${values.save}`);
}

async function chromiumVersion() {
  const browser = await startChromium();
  try {
    const page = await browser.context.newPage();
    const agent = await page.evaluate(() => navigator.userAgent);
    return browser.context.browser()?.version() ?? /Chrome\/([\d.]+)/.exec(agent)?.[1] ?? "unknown";
  } finally {
    await browser.close();
  }
}

function positive(text, name) {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1)
    throw new Error(`${name} must be a whole number above 0, not ${text}`);
  return value;
}
