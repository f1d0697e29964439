// A worker that ends in the middle of its work: what waits for it is told, and a new engine goes on from the cache.
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

/**
 * Ends the worker in one of the ways, in the middle of a text; tells how that text and everything after it failed, and
 * what a new engine writes.
 */
function end(way, options = {}) {
  return opened.page.evaluate(
    async ({ way, model, prompt, options }) => {
      const { Lexigraft } = await import("/pkg/dist/index.js");
      const workers = [];
      const worker = () => {
        workers.push(new Worker("/pages/mortal-worker.js", { type: "module" }));
        return workers.at(-1);
      };
      const code = async (work) => {
        try {
          await work;
          return undefined;
        } catch (error) {
          return { code: error.code, message: error.message, hint: error.hint };
        }
      };
      const lexigraft = await Lexigraft.create({ device: "cpu", worker, ...options });
      const loaded = await lexigraft.languageModel(model);
      const generation = loaded.generate(prompt, { maxTokens: 400, temperature: 0 });
      const waiting = code(lexigraft.languageModel(`${model}?other`));
      let pieces = 0;
      const during = await code(
        (async () => {
          for await (const _ of generation) {
            pieces += 1;
            if (pieces !== 2) continue;
            if (way === "terminate") workers[0].terminate();
            else new BroadcastChannel("mortal-worker").postMessage(way);
          }
        })(),
      );
      const waited = await waiting;
      const after = await code(loaded.tokenize("text"));
      const disposed = await code(Promise.all([loaded.dispose(), lexigraft.dispose()]));

      let fromCache = true;
      const other = await Lexigraft.create({ device: "cpu" });
      const again = await other.languageModel(model, {
        onProgress: (progress) => {
          fromCache &&= progress.phase !== "download" || progress.fromCache === true;
        },
      });
      const { ids } = await again.generate(prompt, { maxTokens: 8, temperature: 0 }).result;
      await other.dispose();
      const { pending } = await navigator.locks.query();
      const locks = pending.filter(({ name }) => name.startsWith("lexigraft:alive:"));
      return { pieces, during, waited, after, disposed, fromCache, ids: [...ids], locks: locks.length };
    },
    { way, model, prompt, options },
  );
}

for (const [way, message] of [
  ["terminate", /has ended/],
  ["close", /has ended/],
  ["throw", /meant to happen/],
]) {
  test(`a worker that ends by "${way}" is worker-failed to all that waits, and a new one goes on`, async () => {
    const ended = await end(way);
    assert.ok(ended.pieces >= 2 && ended.pieces < 100, `${ended.pieces} pieces`);
    for (const failed of [ended.during, ended.waited, ended.after]) {
      assert.equal(failed?.code, "worker-failed", JSON.stringify(ended));
      assert.match(failed.message, message);
      assert.match(failed.hint, /create a new one/);
    }
    assert.equal(ended.disposed, undefined, "disposing of what is gone is no error");
    assert.deepEqual(ended.ids, greedy_ids.slice(0, 8));
    assert.ok(ended.fromCache, "the model came from the cache");
    assert.equal(ended.locks, 0, "nothing is left to wait for");
    assert.deepEqual(opened.problems, []);
  });
}

test("an engine that waits for nothing hears of its worker's end too", async () => {
  const failed = await opened.page.evaluate(async () => {
    const { Lexigraft } = await import("/pkg/dist/index.js");
    const workers = [];
    const worker = () => {
      workers.push(new Worker("/pages/mortal-worker.js", { type: "module" }));
      return workers.at(-1);
    };
    const lexigraft = await Lexigraft.create({ device: "cpu", worker });
    workers[0].terminate();
    const failed = await lexigraft.memory().catch((error) => error.code);
    await lexigraft.dispose();
    return failed;
  });
  assert.equal(failed, "worker-failed");
});
