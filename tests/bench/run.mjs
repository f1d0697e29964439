// Lexigraft beside wllama in one Chromium, on one model file, one thread each, in turns.
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

const results = {
  date: new Date().toISOString().slice(0, 10),
  machine: `${cpus().length} x ${cpus()[0]?.model ?? "unknown processor"}`,
  model: "SmolLM2-135M-Instruct Q4_1",
  prompt: "What is gravity?",
  rounds,
  tokens,
  sizes: await moduleSizes(),
  loading: await measureLoading("cpu"),
  speed: await measureSpeed({ rounds, tokens, webgpu: values.webgpu, prompt: "What is gravity?" }),
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
