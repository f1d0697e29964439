import { startChromium } from "../support/chromium.mjs";
import { models } from "../support/paths.mjs";
import { startServer } from "../support/server.mjs";
import { enter, openContestant, outcome, roundName } from "./contestants.mjs";
import { largestRenderer } from "./process-memory.mjs";

const MODEL = `/models/${models.smollm2}`;
/** Both contestants keep a cache for this many tokens. */
const CONTEXT = 1024;

/** Load times from the network and from the cache, and the memory that loading takes. */
export async function measureLoading(device) {
  const cold = await inFreshPage(async (page, browser) => {
    const before = await largestRenderer(browser.context);
    const download = await page.evaluate((options) => window.contestant.load(options), load(device));
    const after = await largestRenderer(browser.context);
    await page.evaluate(() => window.contestant.unload());
    const cached = await page.evaluate((options) => window.contestant.load(options), load(device));
    if (!cached.fromCache) throw new Error("the second load did not come from the cache");
    return { download, cached, emptyPageBytes: before?.resident, peakBytes: after?.peak };
  });
  const limits = await inFreshPage((page) => page.evaluate(() => window.contestant.limits()));
  // The linear memory can only be seen where the engine runs in the page itself.
  const inPage = await inFreshPage((page) =>
    page.evaluate((options) => window.contestant.load(options), load(device, { worker: false })),
  );
  const { fileBytes, residentBytes, wasmBytes } = inPage;
  return { ...cold, fileBytes, residentBytes, wasmBytes, limits };
}

/**
 * From a file that is already on this machine to the first token of a chat, the start of the engine included: a
 * fresh browser each time, in turns. Ours comes from the package's cache, whose hash is checked; the peer is given a
 * blob in memory, which costs it nothing to get.
 */
export async function measureFirstToken({ rounds, prompt }) {
  const contestants = [
    { name: "Lexigraft", page: "lexigraft", measured: [] },
    { name: "wllama 3.8.1", page: "wllama", measured: [] },
  ];
  for (let round = 0; round <= rounds; round += 1) {
    for (const { name, page, measured } of contestants) {
      const server = await startServer();
      const browser = await startChromium();
      try {
        const contestant = await openContestant(browser, server, page);
        await contestant.evaluate((options) => window.contestant.keep(options), load("cpu"));
        await contestant.reload();
        await contestant.waitForFunction(() => window.contestant !== undefined);
        const ms = await contestant.evaluate(
          ([options, prompt]) => window.contestant.firstToken(options, prompt),
          [load("cpu"), prompt],
        );
        if (round > 0) measured.push(ms);
        console.log(
          `  ${roundName(round)}  ${name.padEnd(26)} first token ${(ms / 1000).toFixed(2)} s after the start`,
        );
      } finally {
        await browser.close();
        await server.close();
      }
    }
  }
  return contestants.map(({ name, measured }) => ({ name, measured }));
}

/**
 * Prefill and decode in turns: every contestant once a round, after a round that is not counted.
 * `longPrompt` is read for its time to the first token alone.
 */
export async function measureSpeed({ rounds, tokens, webgpu, prompt, longPrompt }) {
  const plain = await startServer();
  // Threads need a page that is cross-origin isolated.
  const isolated = await startServer({ isolated: true });
  const browser = await startChromium({ webgpu });
  try {
    const one = load("cpu", { threads: 1 });
    const two = load("cpu", { threads: 2 });
    const contestants = [
      await enter(browser, plain, "lexigraft", "Lexigraft, CPU, 1 thread", one),
      await enter(browser, plain, "wllama", "wllama 3.8.1, 1 thread", one),
      await enter(browser, isolated, "lexigraft", "Lexigraft, CPU, 2 threads", two),
      await enter(browser, isolated, "wllama", "wllama 3.8.1, 2 threads", two),
    ];
    if (webgpu)
      contestants.push(await enter(browser, plain, "lexigraft", "Lexigraft, WebGPU", load("webgpu")));
    for (let round = 0; round <= rounds; round += 1) {
      for (const { name, page, measured } of contestants) {
        const chat = (text, count) =>
          page.evaluate(([text, count]) => window.contestant.chat(text, count), [text, count]);
        const result = await chat(prompt, tokens);
        const long = await chat(longPrompt, 1);
        const prefill = { promptTokens: long.promptTokens, firstTokenMs: long.firstTokenMs };
        if (round > 0) measured.push({ ...result, prefill });
        console.log(
          `  ${roundName(round)}  ${name.padEnd(26)} ${result.tokensPerSecond.toFixed(2)} tok/s, ` +
            `first token after ${(result.firstTokenMs / 1000).toFixed(2)} s, ` +
            `of ${long.promptTokens} after ${(long.firstTokenMs / 1000).toFixed(2)} s`,
        );
      }
    }
    return contestants.map(outcome);
  } finally {
    await browser.close();
    await plain.close();
    await isolated.close();
  }
}

async function inFreshPage(work) {
  const server = await startServer();
  const browser = await startChromium();
  try {
    return await work(await openContestant(browser, server, "lexigraft"), browser);
  } finally {
    await browser.close();
    await server.close();
  }
}

function load(device, { worker = true, threads = 1 } = {}) {
  return { url: MODEL, device, worker, threads, contextLength: CONTEXT };
}
