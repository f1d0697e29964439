import { setTimeout } from "node:timers/promises";
import { largestRenderer } from "../bench/process-memory.mjs";
import { openPackagePage } from "./package-page.mjs";
import { models, reference } from "./paths.mjs";

const { prompts } = await reference("smollm2-135m-instruct-q4_1");

/**
 * Makes an engine, loads SmolLM2, writes and disposes of everything, again and again in one page, and looks at the
 * page's process after each round: its resident bytes when the garbage is collected. Texts that differ are an error.
 */
export async function cycles(count, { tokens = 4, onCycle = () => undefined } = {}) {
  const opened = await openPackagePage();
  try {
    const { page } = opened;
    const session = await opened.context.newCDPSession(page);
    const resident = [];
    for (let cycle = 0; cycle < count; cycle++) {
      const ids = await page.evaluate(once, { model: `/models/${models.smollm2}`, ...prompts[0], tokens });
      if (`${ids}` !== `${prompts[0].greedy_ids.slice(0, tokens)}`)
        throw new Error(`cycle ${cycle} wrote ${ids}`);
      await session.send("HeapProfiler.collectGarbage");
      const settled = await leastResident(opened.context);
      if (settled === undefined) return undefined;
      resident.push(settled);
      onCycle(cycle, settled);
    }
    if (opened.problems.length > 0) throw new Error(opened.problems.join("\n"));
    return resident;
  } finally {
    await opened.close();
  }
}

/**
 * The fewest resident bytes of the page's process over some looks: a worker's memory goes back to the system a little
 * after its end.
 */
async function leastResident(context, looks = 8) {
  let least;
  for (let look = 0; look < looks; look++) {
    if (look > 0) await setTimeout(200);
    const process = await largestRenderer(context);
    if (process === undefined) return undefined;
    least = Math.min(least ?? Number.POSITIVE_INFINITY, process.resident);
  }
  return least;
}

/** In the page. */
async function once({ model, prompt, tokens }) {
  const { Lexigraft } = await import("/pkg/dist/index.js");
  const lexigraft = await Lexigraft.create({ device: "cpu" });
  try {
    const loaded = await lexigraft.languageModel(model);
    const { ids } = await loaded.generate(prompt, { maxTokens: tokens, temperature: 0 }).result;
    await loaded.dispose();
    return [...ids];
  } finally {
    await lexigraft.dispose();
  }
}

/**
 * Bytes that each cycle adds: the slope by least squares of the lowest of every `block` cycles after the first block. A
 * worker's memory goes back to the system a little after its end, which a single look may come before.
 */
export function slope(resident, block) {
  const floors = [];
  for (let at = block; at + block <= resident.length; at += block)
    floors.push(Math.min(...resident.slice(at, at + block)));
  const middle = (floors.length - 1) / 2;
  const mean = floors.reduce((sum, floor) => sum + floor, 0) / floors.length;
  const product = floors.reduce((sum, floor, x) => sum + (x - middle) * (floor - mean), 0);
  return product / floors.reduce((sum, _, x) => sum + (x - middle) ** 2, 0) / block;
}
