// An engine whose memory ends: what is large is refused before it is allocated, and what else fails is told as memory
// that ran out. The page lives on in any case.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { openPackagePage } from "../support/package-page.mjs";
import { models, reference } from "../support/paths.mjs";

const model = `/models/${models.smollm2}`;
const [{ prompt, greedy_ids }] = (await reference("smollm2-135m-instruct-q4_1")).prompts;
let opened;

before(async () => {
  opened = await openPackagePage();
});
after(async () => {
  await opened?.close();
});

test("memory that ends is refused, and told where it could not be", async () => {
  const found = await opened.page.evaluate(
    async ({ model, prompt }) => {
      const { Lexigraft } = await import("/pkg/dist/index.js");
      const failure = (work) =>
        work.then(
          () => undefined,
          ({ code, message, hint, details }) => ({ code, message, hint, details }),
        );
      const writes = async (loaded) => [
        ...(await loaded.generate(prompt, { maxTokens: 8, temperature: 0 }).result).ids,
      ];
      const channel = new BroadcastChannel("greedy-worker");
      const take = (bytes) => {
        channel.postMessage(bytes);
        return new Promise((resolve) => channel.addEventListener("message", resolve, { once: true }));
      };
      const worker = () => new Worker("/pages/greedy-worker.js", { type: "module" });
      const lexigraft = await Lexigraft.create({ device: "cpu", worker });
      const blob = await (await fetch(model)).blob();
      const loaded = await lexigraft.languageModel(blob);
      const { wasmBytes } = await lexigraft.memory();
      // Of four gibibytes, what a second model needs is not left.
      await take(2 ** 31 - 2 ** 16);
      await take(2 ** 31 - wasmBytes - 130e6);
      const refused = await failure(lexigraft.languageModel(blob));
      const first = await writes(loaded);

      // Nobody can refuse this one.
      const generation = loaded.generate(prompt, { maxTokens: 400, temperature: 0 });
      let pieces = 0;
      const during = await failure(
        (async () => {
          for await (const _ of generation) {
            pieces += 1;
            if (pieces === 2) channel.postMessage(1e9);
          }
        })(),
      );
      const later = await failure(lexigraft.languageModel(blob));
      await lexigraft.dispose();

      const other = await Lexigraft.create({ device: "cpu" });
      const again = await writes(await other.languageModel(blob));
      await other.dispose();
      return { wasmBytes, refused, first, pieces, during, later, again };
    },
    { model, prompt },
  );
  assert.equal(found.refused?.code, "out-of-memory", JSON.stringify(found));
  assert.match(found.refused.message, /beside what the engine holds already/);
  assert.deepEqual(found.first, greedy_ids.slice(0, 8), "the first model goes on");

  assert.ok(found.pieces >= 2 && found.pieces < 100, `${found.pieces} pieces`);
  for (const failed of [found.during, found.later]) {
    assert.equal(failed?.code, "out-of-memory", JSON.stringify(found));
    assert.deepEqual(failed.details, { needed: 1e9 });
    assert.match(failed.hint, /create a new one/);
  }
  assert.deepEqual(found.again, greedy_ids.slice(0, 8), "the page is alive, and a new engine works");
  assert.deepEqual(opened.problems, []);
});
