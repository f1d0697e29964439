import assert from "node:assert/strict";
import { test } from "node:test";
import type { EngineClient } from "../src/client.js";
import type { EngineHost } from "../src/engine-host.js";
import { LexigraftError } from "../src/errors.js";
import { LanguageModelClient } from "../src/language-model.js";
import type { DeviceKind, Piece } from "../src/types.js";
import { rejectsWith } from "./support/expect-error.js";
import { connect, engineError, FakeModel, fakeModule } from "./support/fake-engine.js";

interface Loaded {
  client: EngineClient;
  host: EngineHost;
  lm: LanguageModelClient;
}

async function load(model: FakeModel, kind: DeviceKind = "cpu"): Promise<Loaded> {
  const { client, host } = connect(fakeModule({ model, kind }), undefined, kind === "webgpu" ? "fake" : "");
  await client.call("create", { device: kind, wasmUrl: {}, pageHasWebGpu: kind === "webgpu" });
  const weights = { kind: "blob", blob: new Blob(["w"]) } as const;
  const { handle, info } = await client.call("loadLanguageModel", { weights });
  return { client, host, lm: new LanguageModelClient(client, handle, info) };
}

async function collect(pieces: AsyncIterable<Piece>): Promise<Piece[]> {
  const all: Piece[] = [];
  for await (const piece of pieces) all.push(piece);
  return all;
}

const endless = () => new FakeModel(Array.from({ length: 100_000 }, () => "x"));

test("pieces stream in order and their text is the result's", async () => {
  const { lm } = await load(new FakeModel(["Hel", "", "lo"], "!"));
  const prefill: unknown[] = [];
  const generation = lm.generate("Say hello", {
    logProbs: true,
    seed: 7,
    onPrefill: (done) => prefill.push(done),
  });
  const pieces = await collect(generation);
  assert.deepEqual(pieces, [
    { text: "Hel", id: 101, logProb: -1 },
    { text: "", id: 102, logProb: -2 },
    { text: "lo", id: 103, logProb: -3 },
    { text: "!", id: 103, tail: true },
  ]);
  const result = await generation.result;
  assert.equal(result.text, "Hello!");
  assert.deepEqual([...result.ids], [101, 102, 103]);
  assert.deepEqual([...result.promptIds], [...new TextEncoder().encode("Say hello")]);
  assert.equal(result.reason, "stop-token");
  assert.equal(result.seed, 7);
  assert.deepEqual(result.logProbs, [-1, -2, -3]);
  assert.deepEqual(prefill, [{ done: 9, total: 9 }]);
});

test("timings are of this generation", async () => {
  const model = new FakeModel(["a", "b", "c"]);
  model.beforeStep = () => new Promise((resolve) => setTimeout(resolve, 20));
  const { lm } = await load(model);
  const { timeToFirstTokenMs = 0, tokensPerSecond = 0, totalMs } = await lm.generate("p").result;
  assert.ok(
    timeToFirstTokenMs >= 35 && timeToFirstTokenMs < 10_000,
    `first token after ${timeToFirstTokenMs}`,
  );
  assert.ok(tokensPerSecond > 0.1 && tokensPerSecond < 60, `${tokensPerSecond} tokens per second`);
  assert.ok(totalMs > timeToFirstTokenMs);
  const none = await (await load(new FakeModel([]))).lm.generate("p").result;
  assert.equal(none.timeToFirstTokenMs, undefined);
  assert.equal(none.tokensPerSecond, undefined);
});

test("defaults are filled in, and a random seed is reported", async () => {
  const model = new FakeModel(["a"]);
  const { lm } = await load(model);
  const { seed } = await lm.generate("p").result;
  assert.deepEqual(model.lastOptions, {
    maxTokens: 128,
    temperature: 0.7,
    topK: 40,
    topP: 0.95,
    minP: 0,
    repetitionPenalty: 1,
    seed,
    stop: [],
    logProbs: false,
    addSpecial: true,
  });
  assert.notEqual((await lm.generate("p").result).seed, seed);
});

test("chat goes through the template and never adds special tokens", async () => {
  const model = new FakeModel(["a"]);
  const { lm } = await load(model);
  await lm.chat([{ role: "user", content: "Hi" }], { addSpecial: true }).result;
  assert.equal(model.lastPrompt, "<user>Hi<bot>");
  assert.equal(model.lastOptions?.addSpecial, false);
});

test("a generation runs without a reader, and can be read twice afterwards", async () => {
  const { lm } = await load(new FakeModel(["a", "b"]));
  const generation = lm.generate("p");
  assert.equal((await generation.result).text, "ab");
  assert.equal((await collect(generation)).length, 2);
  assert.equal((await collect(generation)).length, 2);
});

test("abort ends the iterator with aborted at once and resolves the result with the text so far", async () => {
  const model = endless();
  const { lm } = await load(model);
  const controller = new AbortController();
  const generation = lm.generate("prompt", { signal: controller.signal });
  let seen = 0;
  const reading = (async () => {
    for await (const _ of generation) {
      seen += 1;
      if (seen === 5) controller.abort();
    }
  })();
  await rejectsWith(reading, "aborted");
  assert.equal(seen, 5);
  const result = await generation.result;
  assert.equal(result.reason, "aborted");
  assert.ok(result.ids.length >= 5 && result.ids.length < 1000, `${result.ids.length} tokens`);
  assert.equal(result.text, "x".repeat(result.ids.length));
  assert.equal(result.promptIds.length, 6);
  assert.equal(model.generationsFreed, 1);
});

test("after a cancel no piece comes any more, not even one that waits to be read", async () => {
  const { lm } = await load(endless());
  const generation = lm.generate("p");
  const reader = generation[Symbol.asyncIterator]();
  await reader.next();
  await new Promise((resolve) => setTimeout(resolve, 20));
  generation.cancel();
  const { ids } = await generation.result;
  assert.ok(ids.length > 2, "nothing was waiting");
  await rejectsWith(reader.next(), "aborted");
});

test("a signal that is aborted already starts nothing", async () => {
  const model = endless();
  const { lm } = await load(model);
  const generation = lm.generate("p", { signal: AbortSignal.abort() });
  await rejectsWith(collect(generation), "aborted");
  const { reason, text, ids } = await generation.result;
  assert.deepEqual([reason, text, ids.length], ["aborted", "", 0]);
  assert.equal(model.lastPrompt, undefined);
});

test("leaving the loop cancels, frees the cache, and lets the next generation in at once", async () => {
  const model = endless();
  const { lm } = await load(model);
  const first = lm.generate("one");
  for await (const _ of first) break;
  const second = lm.generate("two");
  for await (const _ of second) break;
  assert.equal((await first.result).reason, "aborted");
  assert.equal((await second.result).reason, "aborted");
  assert.equal(model.generationsFreed, 2);
  assert.equal(model.lastPrompt, "two");
});

test("a live generation makes everything else busy, and is not disturbed", async () => {
  const model = new FakeModel(["a", "b", "c"]);
  model.beforeStep = () => new Promise((resolve) => setTimeout(resolve, 10));
  const { lm } = await load(model);
  const first = lm.generate("one");
  await rejectsWith(lm.generate("two").result, "busy");
  await rejectsWith(collect(lm.generate("two")), "busy");
  await rejectsWith(lm.score("text"), "busy");
  await rejectsWith(lm.logits([1]), "busy");
  assert.equal((await first.result).text, "abc");
  assert.equal((await lm.generate("three").result).text, "abc");
});

test("short jobs wait for each other and for nothing else", async () => {
  const { lm } = await load(new FakeModel(["a"]));
  const [one, two, three] = await Promise.all([lm.score("1"), lm.score("22"), lm.generate("p").result]);
  assert.deepEqual([one.bitsPerByte, two.bitsPerByte, three.text], [1, 2, "a"]);
});

test("an aborted score stops, and the one that waits behind it runs", async () => {
  const { lm } = await load(new FakeModel(["a"]));
  const controller = new AbortController();
  const first = lm.score("1", { signal: controller.signal });
  const second = lm.score("22");
  setTimeout(() => controller.abort(), 3);
  await rejectsWith(first, "aborted");
  assert.equal((await second).bitsPerByte, 2);
});

test("an error before the first token reaches iterator and result, with its code", async () => {
  const model = new FakeModel(["a"]);
  const { lm } = await load(model);
  const generation = lm.generate("p".repeat(65));
  await rejectsWith(collect(generation), "prompt-too-long");
  await rejectsWith(generation.result, "prompt-too-long");
  assert.equal((await lm.generate("p").result).text, "a", "the model is usable afterwards");
});

test("an error in the middle comes after the pieces before it and frees the generation", async () => {
  const model = new FakeModel(["a", "b", "c"]);
  model.beforeStep = (step) => {
    if (step === 3) throw Object.assign(new Error("gone"), { code: "device-lost" });
  };
  const { lm } = await load(model);
  const generation = lm.generate("p");
  await rejectsWith(generation.result, "device-lost");
  const texts: string[] = [];
  await rejectsWith(
    (async () => {
      for await (const { text } of generation) texts.push(text);
    })(),
    "device-lost",
  );
  assert.deepEqual(texts, ["a", "b"]);
  assert.equal(model.generationsFreed, 1);
});

test("a failed generation that nobody looks at is no unhandled rejection", async () => {
  const unhandled: unknown[] = [];
  const onUnhandled = (reason: unknown) => unhandled.push(reason);
  process.on("unhandledRejection", onUnhandled);
  try {
    const { lm } = await load(new FakeModel(["a"]));
    lm.generate("p".repeat(65));
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.deepEqual(unhandled, []);
  } finally {
    process.off("unhandledRejection", onUnhandled);
  }
});

test("disposing the model ends a running generation, frees it once, and refuses later calls", async () => {
  const model = endless();
  const { lm } = await load(model);
  const generation = lm.generate("p");
  const reading = rejectsWith(collect(generation), "aborted");
  await new Promise((resolve) => setTimeout(resolve, 5));
  await Promise.all([lm.dispose(), lm[Symbol.asyncDispose]?.()]);
  assert.equal(model.freed, true);
  assert.equal((await generation.result).reason, "aborted");
  await reading;
  await rejectsWith(lm.tokenize("x"), "disposed");
  await rejectsWith(lm.generate("x").result, "disposed");
});

test("a trap makes the engine unusable, and says so to every later call", async () => {
  const model = new FakeModel(["a"]);
  model.beforeStep = () => {
    throw new WebAssembly.RuntimeError("unreachable");
  };
  const { client, lm } = await load(model);
  const error = await rejectsWith(lm.generate("p").result, "internal");
  assert.match(error.hint ?? "", /create a new one/);
  await rejectsWith(lm.tokenize("x"), "internal");
  assert.equal(model.generationsFreed, 0, "memory after a trap must not be touched");
  await client.close();
});

test("a trap for want of memory is told as that, and by its size", async () => {
  const model = new FakeModel(["a"]);
  model.beforeStep = () => {
    throw new WebAssembly.RuntimeError("unreachable");
  };
  const { client } = connect({ ...fakeModule({ model }), failedAllocation: () => 4096 });
  await client.call("create", { device: "cpu", wasmUrl: {}, pageHasWebGpu: false });
  const weights = { kind: "blob", blob: new Blob(["weights"]) } as const;
  const { handle } = await client.call("loadLanguageModel", { weights });
  const generate = client.call("generate", { handle, prompt: "p", options: {} as never });
  const error = await rejectsWith(generate, "out-of-memory");
  assert.deepEqual(error.details, { needed: 4096 });
  await rejectsWith(client.call("tokenize", { handle, text: "x", addSpecial: false }), "out-of-memory");
  assert.equal(model.generationsFreed, 0, "memory after a trap must not be touched");
  await client.close();
});

test("a device that the engine finds gone is gone for every later call", async () => {
  const model = new FakeModel(["a"]);
  model.beforeStep = () => {
    throw engineError("device-lost", "the device did not give its result back");
  };
  const { lm } = await load(model, "webgpu");
  await rejectsWith(lm.generate("p").result, "device-lost");
  await rejectsWith(lm.tokenize("x"), "device-lost");
});

test("an engine that falls over because its device is gone says so, though the loss is told later", async () => {
  const model = new FakeModel(["a"]);
  const { client, host, lm } = await load(model, "webgpu");
  model.beforeStep = () => {
    setTimeout(() => host.abandon(new LexigraftError("device-lost", "The WebGPU device was lost.")), 20);
    throw new WebAssembly.RuntimeError("unreachable");
  };
  await rejectsWith(lm.generate("p").result, "device-lost");
  await rejectsWith(lm.tokenize("x"), "device-lost");
  assert.equal(model.generationsFreed, 0, "memory after a trap must not be touched");
  await client.close();
});

test("arguments of the wrong kind are refused before they reach the engine", async () => {
  const { lm } = await load(new FakeModel(["a"]));
  assert.throws(() => lm.generate(undefined as unknown as string), LexigraftError);
  assert.throws(() => lm.chat([{ role: "user" } as never]), { code: "invalid-argument" });
  await rejectsWith(lm.score(3 as unknown as string), "invalid-argument");
});

test("token ids go both ways", async () => {
  const { lm } = await load(new FakeModel([]));
  const ids = await lm.tokenize("ab");
  assert.ok(ids instanceof Uint32Array);
  assert.equal(await lm.detokenize([...ids]), "ab");
  assert.deepEqual(await lm.tokenText(ids), ["a", "b"]);
  assert.deepEqual([...(await lm.logits(ids))], [1, 2, 3]);
  assert.equal(
    await lm.applyChatTemplate([{ role: "a", content: "b" }], { addGenerationPrompt: false }),
    "<a>b",
  );
});
