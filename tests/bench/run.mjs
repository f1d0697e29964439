// Lexigraft beside wllama in one Chromium, on one model file, with as many threads each, in turns.
//   node bench/run.mjs [--rounds 5] [--tokens 48] [--webgpu] [--out FOLDER] [--save FILE]
import { mkdir, writeFile } from "node:fs/promises";
import { cpus } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { measureLoading, measureSpeed } from "./measure.mjs";
import { report } from "./report.mjs";
import { moduleSizes } from "./sizes.mjs";

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "5" },
    tokens: { type: "string", default: "48" },
    webgpu: { type: "boolean", default: false },
    out: { type: "string" },
    save: { type: "string" },
  },
});
const rounds = positive(values.rounds, "--rounds");
const tokens = positive(values.tokens, "--tokens");

const prompt = "What is gravity?";
// With the chat template around it some 128 tokens.
const longPrompt =
  "The first lighthouses were fires on hills, kept by families who were paid in grain. Later they stood on towers of " +
  "stone, and a lamp of oil took the place of the fire. A lens of many rings, invented in 1822, sent the light of one " +
  "small lamp thirty kilometres over the sea. Today most of them are lit by electricity, and nobody lives in them. " +
  "Ships find their way by satellites. Explain in one word what a lighthouse is for.";

const results = {
  date: new Date().toISOString().slice(0, 10),
  machine: `${cpus().length} x ${cpus()[0]?.model ?? "unknown processor"}`,
  model: "SmolLM2-135M-Instruct Q4_1",
  prompt,
  rounds,
  tokens,
  sizes: await moduleSizes(),
  loading: await measureLoading("cpu"),
  speed: await measureSpeed({ rounds, tokens, webgpu: values.webgpu, prompt, longPrompt }),
};

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

function positive(text, name) {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1)
    throw new Error(`${name} must be a whole number above 0, not ${text}`);
  return value;
}
