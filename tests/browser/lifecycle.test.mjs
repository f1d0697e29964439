// Engines that come and go, models beside each other, and a page that sleeps.
import assert from "node:assert/strict";
import { test } from "node:test";
import { cycles, slope } from "../support/cycles.mjs";
import { openPackagePage } from "../support/package-page.mjs";
import { models, reference } from "../support/paths.mjs";

const { prompts } = await reference("smollm2-135m-instruct-q4_1");
const model = `/models/${models.smollm2}`;

test("engines that were disposed leave no memory behind", async (t) => {
  const resident = await cycles(15, { tokens: 2 });
  if (resident === undefined) return t.skip("a process's memory can be looked at on Linux alone");
  t.diagnostic(resident.map((bytes) => (bytes / 1e6).toFixed(0)).join(" "));
  // An engine with its model is a hundred times that.
  assert.ok(slope(resident, 5) < 3e6, `${slope(resident, 5)} bytes a cycle`);
});

test("two models of one engine write at the same time", async () => {
  const page = await openPackagePage();
  try {
    const texts = await page.page.evaluate(
      async ({ model, prompts }) => {
        const { Lexigraft } = await import("/pkg/dist/index.js");
        const lexigraft = await Lexigraft.create({ device: "cpu" });
        const pair = [await lexigraft.languageModel(model), await lexigraft.languageModel(model)];
        const runs = pair.map(
          (one, at) => one.generate(prompts[at], { maxTokens: 12, temperature: 0 }).result,
        );
        const ids = (await Promise.all(runs)).map((result) => [...result.ids]);
        await pair[0].dispose();
        const after = await pair[1].generate(prompts[0], { maxTokens: 4, temperature: 0 }).result;
        await lexigraft.dispose();
        return [...ids, [...after.ids]];
      },
      { model, prompts: prompts.slice(0, 2).map(({ prompt }) => prompt) },
    );
    const [first, second] = prompts;
    const wanted = [
      first.greedy_ids.slice(0, 12),
      second.greedy_ids.slice(0, 12),
      first.greedy_ids.slice(0, 4),
    ];
    assert.deepEqual(texts, wanted);
    assert.deepEqual(page.problems, []);
  } finally {
    await page.close();
  }
});

test("a page that is frozen for a while goes on where it was", async () => {
  const opened = await openPackagePage();
  try {
    const { page } = opened;
    const session = await opened.context.newCDPSession(page);
    await page.evaluate(
      async ({ model, prompt }) => {
        const { Lexigraft } = await import("/pkg/dist/index.js");
        const lexigraft = await Lexigraft.create({ device: "cpu" });
        const loaded = await lexigraft.languageModel(model);
        window.frozen = { started: Promise.withResolvers() };
        window.frozen.ids = (async () => {
          const run = loaded.generate(prompt, { maxTokens: 40, temperature: 0 });
          for await (const _ of run) window.frozen.started.resolve();
          return [...(await run.result).ids];
        })();
        await window.frozen.started.promise;
      },
      { model, prompt: prompts[0].prompt },
    );
    await session.send("Page.setWebLifecycleState", { state: "frozen" });
    await new Promise((resolve) => setTimeout(resolve, 1500));
    await session.send("Page.setWebLifecycleState", { state: "active" });
    const ids = await page.evaluate(() => window.frozen.ids);
    const wanted = prompts[0].greedy_ids.slice(0, 40);
    assert.deepEqual(ids.slice(0, wanted.length), wanted);
    assert.deepEqual(opened.problems, []);
  } finally {
    await opened.close();
  }
});
