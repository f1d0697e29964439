import assert from "node:assert/strict";
import { test } from "node:test";
import { createByteModel } from "../src/byte-model.js";
import { LanguageModelClient } from "../src/language-model.js";
import type { BytePiece } from "../src/types.js";
import { rejectsWith } from "./support/expect-error.js";
import { connect, FakeModel, fakeModule } from "./support/fake-engine.js";

async function load(answer = "") {
  const model = new FakeModel(["a"]);
  model.byteAnswer = answer;
  const { client } = connect(fakeModule({ model }));
  await client.call("create", { device: "cpu", wasmUrl: {}, pageHasWebGpu: false });
  const weights = { kind: "blob", blob: new Blob(["w"]) } as const;
  const { handle, info } = await client.call("loadLanguageModel", { weights });
  return { model, client, lm: new LanguageModelClient(client, handle, info) };
}

test("the next byte comes with its cover, in plain words", async () => {
  const { lm } = await load();
  const bytes = await lm.bytes();
  const next = await bytes.nextByte("é!", { cover: 2 });
  assert.equal(next.logProbs.length, 257);
  // Three bytes of UTF-8.
  assert.equal(next.logProbs[3], 0);
  assert.deepEqual([...next.trunk], [9]);
  assert.deepEqual(
    next.cover.map(({ next }) => next),
    [
      [
        { id: 0, share: 0.5 },
        { id: 1, share: 0.5 },
      ],
    ],
  );
  const same = await bytes.nextByte(Uint8Array.of(0xc3, 0xa9, 0x21));
  assert.deepEqual(same.logProbs, next.logProbs);
});

test("a score is per byte, and in bits", async () => {
  const { lm } = await load();
  const bytes = await lm.bytes({ estimand: "all", beam: 4 });
  const seen: unknown[] = [];
  const score = await bytes.score("abc", { prefix: "x", onProgress: (progress) => seen.push(progress) });
  assert.deepEqual([...score.perByte], [-2, -2, -2]);
  assert.equal(score.logProb, -6);
  assert.ok(Math.abs(score.bitsPerByte - 2 / Math.LN2) < 1e-12);
  assert.deepEqual(seen.at(-1), { done: 3, total: 3 });
});

test("pieces stream as text, characters whole, and add up to the result", async () => {
  const { lm } = await load("aé");
  const bytes = await lm.bytes();
  const generation = bytes.generate("p", { seed: 5 });
  const pieces: BytePiece[] = [];
  for await (const piece of generation) pieces.push(piece);
  assert.deepEqual(
    pieces.map(({ text }) => text),
    ["a", "", "é"],
  );
  const { text, bytes: all, reason, seed, evaluations } = await generation.result;
  assert.equal(text, "aé");
  assert.equal(all.length, 3);
  assert.equal(reason, "stop");
  assert.equal(seed, 5);
  assert.equal(evaluations, 3);
});

test("an aborted generation keeps what was written, and the model works on", async () => {
  const { lm, model } = await load("x".repeat(10_000));
  const bytes = await lm.bytes();
  const abort = new AbortController();
  const generation = bytes.generate("p", { signal: abort.signal });
  let pieces = 0;
  const reading = (async () => {
    for await (const _ of generation) {
      pieces += 1;
      if (pieces === 3) abort.abort();
    }
  })();
  await rejectsWith(reading, "aborted");
  const { reason, text } = await generation.result;
  assert.equal(reason, "aborted");
  assert.ok(text.length >= 3 && text.length < 10_000);
  assert.equal((await bytes.nextByte("")).evaluations, 1);
  await bytes.dispose();
  assert.equal(model.byteModels[0]?.freed, true);
});

test("errors of the engine keep their code, arguments are checked", async () => {
  const { lm } = await load();
  const bytes = await lm.bytes();
  await rejectsWith(bytes.generate("p", { maxBytes: 0 }).result, "invalid-argument");
  await rejectsWith(bytes.nextByte(7 as unknown as string), "invalid-argument");
});

test("several models are combined, one is not unless a proxy is asked for", async () => {
  const { lm, client } = await load("alone");
  const say = async (handles: number[], options: object) => {
    const bytes = await createByteModel(client, handles, options);
    return (await bytes.generate("p").result).text;
  };
  assert.equal(await say([lm.handle], {}), "alone");
  assert.equal(await say([lm.handle, lm.handle], {}), "mixture 1 of 2");
  assert.equal(
    await say([lm.handle, lm.handle, lm.handle], { combine: "proxy", alpha: 0.5 }),
    "proxy 0.5 of 3",
  );
  await rejectsWith(createByteModel(client, [], {}), "invalid-argument");
});
