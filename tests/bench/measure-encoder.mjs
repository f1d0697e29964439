import { startChromium } from "../support/chromium.mjs";
import { models } from "../support/paths.mjs";
import { startServer } from "../support/server.mjs";
import { enter, outcome, roundName } from "./contestants.mjs";
import { cosine, summary } from "./statistics.mjs";

/** As the pages of the two sides name the same weights. */
const OURS = `/models/${models.minilm}`;
const PEERS = "minilm-onnx";
/** Both sides compute in float32; what differs is the order of their sums. */
const LEAST_COSINE = 0.9999;
/** Runs of one round, whose median is the round's figure; a software adapter takes seconds for one. */
const REPEATS = { cpu: { sentence: 10, batch: 3 }, webgpu: { sentence: 1, batch: 1 } };

/**
 * Sentence embeddings in turns: every contestant once a round, after a round that is not counted.
 * Before that, both sides of a pair must give the same vectors.
 */
export async function measureEncoder({ rounds, webgpu, sentences }) {
  const plain = await startServer();
  // Threads need a page that is cross-origin isolated.
  const isolated = await startServer({ isolated: true });
  const browser = await startChromium({ webgpu });
  const pair = async (server, where, options) => ({
    repeats: REPEATS[options.device],
    ours: await enter(browser, server, "lexigraft-encoder", `Lexigraft, ${where}`, {
      model: OURS,
      ...options,
    }),
    peer: await enter(browser, server, "transformers", `transformers.js, ${where}`, {
      model: PEERS,
      ...options,
    }),
  });
  try {
    const pairs = [
      await pair(plain, "CPU, 1 thread", { device: "cpu", threads: 1 }),
      await pair(isolated, "CPU, 2 threads", { device: "cpu", threads: 2 }),
    ];
    if (webgpu) pairs.push(await pair(plain, "WebGPU", { device: "webgpu", threads: 1 }));
    for (const each of pairs) each.cosine = await leastCosine(each, sentences);
    for (let round = 0; round <= rounds; round += 1) {
      for (const { ours, peer, repeats } of pairs) {
        for (const contestant of [ours, peer]) {
          const result = await measure(contestant, sentences, repeats);
          if (round > 0) contestant.measured.push(result);
          console.log(
            `  ${roundName(round)}  ${contestant.name.padEnd(34)} ${result.sentenceMs.toFixed(1)} ms a sentence, ` +
              `${result.batchMs.toFixed(1)} ms for ${sentences.length}`,
          );
        }
      }
    }
    return {
      model: "all-MiniLM-L6-v2, float32",
      tokens: await pairs[0].ours.page.evaluate((texts) => window.contestant.lengths(texts), sentences),
      pairs: pairs.map(({ ours, peer, cosine }) => ({ ours: outcome(ours), peer: outcome(peer), cosine })),
    };
  } finally {
    await browser.close();
    await plain.close();
    await isolated.close();
  }
}

async function measure({ page }, sentences, repeats) {
  const time = async (texts, count) =>
    summary(await page.evaluate(([texts, count]) => window.contestant.time(texts, count), [texts, count]))
      .median;
  return {
    sentenceMs: await time(sentences.slice(0, 1), repeats.sentence),
    batchMs: await time(sentences, repeats.batch),
  };
}

/** The two sides' vectors of each text, alone and in the batch. */
async function leastCosine({ ours, peer }, sentences) {
  let least = 1;
  for (const texts of [sentences.slice(0, 1), sentences]) {
    const embed = ({ page }) => page.evaluate((texts) => window.contestant.embed(texts), texts);
    const [a, b] = [await embed(ours), await embed(peer)];
    if (a.length !== texts.length || b.length !== texts.length) throw new Error("a vector is missing");
    for (const [index, vector] of a.entries()) least = Math.min(least, cosine(vector, b[index]));
  }
  // A NaN compares false with everything, so the test is for being above, not below.
  if (!(least > LEAST_COSINE)) {
    throw new Error(`${ours.name} and ${peer.name} give different embeddings: a cosine is ${least}`);
  }
  return least;
}
