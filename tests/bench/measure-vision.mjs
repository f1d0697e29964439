import { startChromium } from "../support/chromium.mjs";
import { models } from "../support/paths.mjs";
import { startServer } from "../support/server.mjs";
import { enter, outcome, roundName } from "./contestants.mjs";
import { cosine, summary } from "./statistics.mjs";

const MODEL = `/models/${models.vit}`;
const PICTURE = "/models/photographs/coffee.png";
/** Both sides compute the same map; ours with weights of 14 bits and more. */
const LARGEST_DIFFERENCE = 5e-3;
/** What is measured: sizes, what ours merges there, and runs of a round. */
const PLANS = [
  { size: 224, reduce: "tome:r=16", repeats: 3, peer: true },
  { size: 518, reduce: "tome:r=108,inflect=-0.7", repeats: 1, peer: true },
];

/**
 * A picture in turns: every contestant once a round, after a round that is not counted. Before
 * that, both sides must find the same saliency.
 */
export async function measureVision({ rounds }) {
  const plain = await startServer();
  const isolated = await startServer({ isolated: true });
  const browser = await startChromium();
  const pair = async (server, threads) => {
    const where = `${threads} thread${threads === 1 ? "" : "s"}`;
    const options = { model: MODEL, device: "cpu", threads };
    return {
      where,
      ours: await enter(browser, server, "lexigraft-vision", `Lexigraft, ${where}`, options),
      peer: await enter(browser, server, "ort-vision", `onnxruntime-web, ${where}`, options),
    };
  };
  try {
    const pairs = [await pair(plain, 1), await pair(isolated, 2)];
    const runs = [];
    for (const plan of PLANS) {
      const values = await pairs[0].ours.page.evaluate(
        ([url, size]) => window.contestant.prepare(url, size),
        [PICTURE, plan.size],
      );
      for (const { where, ours, peer } of pairs) {
        const contestants = [
          { name: `Lexigraft, ${where}`, page: ours.page, reduce: undefined },
          { name: `Lexigraft, ${where}, ${plan.reduce}`, page: ours.page, reduce: plan.reduce },
          ...(plan.peer ? [{ name: `onnxruntime-web, ${where}`, page: peer.page, reduce: undefined }] : []),
        ];
        const agreement = await compare(contestants, values, plan.size);
        for (const contestant of contestants) contestant.measured = [];
        for (let round = 0; round <= rounds; round += 1) {
          for (const contestant of contestants) {
            const ms = await time(contestant, values, plan);
            if (round > 0) contestant.measured.push(ms);
            console.log(
              `  ${roundName(round)}  ${plan.size}  ${contestant.name.padEnd(38)} ${ms.toFixed(0)} ms`,
            );
          }
        }
        runs.push({
          size: plan.size,
          where,
          reduce: plan.reduce,
          ...agreement,
          contestants: contestants.map(({ name, measured }) => ({ name, measured })),
        });
      }
    }
    return {
      model: "vit_s_focus (DINOv2-S/14 layout with a saliency decoder), float32",
      setups: pairs.map(({ ours, peer }) => ({ ours: outcome(ours), peer: outcome(peer) })),
      runs,
    };
  } finally {
    await browser.close();
    await plain.close();
    await isolated.close();
  }
}

async function time({ page, reduce }, values, { size, repeats }) {
  const times = await page.evaluate(
    ([values, size, reduce, repeats]) => window.contestant.time(values, size, reduce, repeats),
    [values, size, reduce, repeats],
  );
  return summary(times).median;
}

/** Largest difference of the saliency from the peer's, and what merging changes and where time goes. */
async function compare([dense, reduced, peer], values, size) {
  const see = ({ page, reduce }) =>
    page.evaluate(
      ([values, size, reduce]) => window.contestant.see(values, size, reduce),
      [values, size, reduce],
    );
  const [ours, merged] = [await see(dense), await see(reduced)];
  const inside = ({ backboneMs, reduceMs, totalMs }) => ({ backboneMs, reduceMs, totalMs });
  let difference = null;
  if (peer) {
    const { heat } = await see(peer);
    if (heat.length !== ours.heat.length) throw new Error("the two saliency maps differ in size");
    difference = heat.reduce((most, value, at) => Math.max(most, Math.abs(value - ours.heat[at])), 0);
    // A NaN compares false with everything, so the test is for being below, not above.
    if (!(difference < LARGEST_DIFFERENCE)) {
      throw new Error(`the two sides' saliency differs by ${difference} at ${size}`);
    }
  }
  return {
    difference,
    cosine: cosine(ours.embedding, merged.embedding),
    macs: merged.macs / merged.denseMacs,
    inside: { dense: inside(ours), reduced: inside(merged) },
  };
}
