import assert from "node:assert/strict";
import { test } from "node:test";
import { workerChannel } from "../src/channel.js";
import { EngineClient } from "../src/client.js";
import { LexigraftError } from "../src/errors.js";
import { Lexigraft } from "../src/lexigraft.js";
import { transferables } from "../src/protocol.js";
import type { WasmEngine } from "../src/wasm-module.js";
import { rejectsWith } from "./support/expect-error.js";
import { connect, engineError, FakeModel, fakeModule } from "./support/fake-engine.js";

/** As much of a worker as the channel uses. */
class FakeWorker extends EventTarget {
  posted: unknown[] = [];
  terminated = false;

  postMessage(message: unknown): void {
    this.posted.push(structuredClone(message));
  }

  terminate(): void {
    this.terminated = true;
  }

  fail(message: string): void {
    this.dispatchEvent(
      Object.assign(new Event("error", { cancelable: true }), { message, error: undefined }),
    );
  }

  answer(data: unknown): void {
    this.dispatchEvent(Object.assign(new Event("message"), { data }));
  }
}

const asWorker = (worker: FakeWorker) => worker as unknown as Worker;

const CREATE = { device: "cpu", wasmUrl: {}, pageHasWebGpu: false } as const;
const WEIGHTS = { kind: "blob", blob: new Blob(["weights"]) } as const;

test("a worker that cannot be made is worker-failed with a way out", async () => {
  const create = Lexigraft.create({
    worker: () => {
      throw new DOMException("not allowed", "SecurityError");
    },
  });
  const error = await rejectsWith(create, "worker-failed");
  assert.match(error.hint ?? "", /worker: false/);
});

test("a worker whose script does not start fails create", async () => {
  const worker = new FakeWorker();
  const creating = Lexigraft.create({ worker: () => asWorker(worker) });
  setTimeout(() => worker.fail(""));
  const error = await rejectsWith(creating, "worker-failed");
  assert.match(error.message, /script could not be started/);
  assert.equal(worker.terminated, true);
});

test("a worker that dies fails every call under way and every later one", async () => {
  const worker = new FakeWorker();
  const client = new EngineClient(workerChannel(() => asWorker(worker)));
  worker.answer({ type: "result", id: 0, value: null });
  const calls = [client.call("create", CREATE), client.call("memory", {})];
  worker.fail("out of memory");
  for (const call of calls) {
    const error = await rejectsWith(call, "worker-failed");
    assert.match(error.message, /out of memory/);
  }
  await rejectsWith(client.call("memory", {}), "worker-failed");
});

test("create gives back what it started when it fails or is aborted", async () => {
  const failed = new FakeWorker();
  const creating = Lexigraft.create({ worker: () => asWorker(failed) });
  await new Promise((resolve) => setTimeout(resolve));
  failed.answer({ type: "error", id: 1, error: { code: "no-webgpu", message: "none", hint: "other" } });
  assert.equal((await rejectsWith(creating, "no-webgpu")).hint, "other");
  assert.equal(failed.terminated, true);

  const controller = new AbortController();
  const slow = new FakeWorker();
  const aborted = Lexigraft.create({ worker: () => asWorker(slow), signal: controller.signal });
  setTimeout(() => controller.abort(), 5);
  await rejectsWith(aborted, "aborted");
  assert.equal(slow.terminated, true);

  await rejectsWith(Lexigraft.create({ device: "tpu" as "cpu" }), "invalid-argument");
});

test("create reports the device, resolves addresses, and dispose ends everything", async () => {
  const worker = new FakeWorker();
  const creating = Lexigraft.create({
    device: "webgpu",
    worker: () => asWorker(worker),
    wasmUrl: { gpu: "https://host/g.wasm" },
    cache: { name: "mine" },
  });
  await new Promise((resolve) => setTimeout(resolve));
  assert.deepEqual(worker.posted, [
    {
      type: "call",
      id: 1,
      method: "create",
      params: { device: "webgpu", wasmUrl: { gpu: "https://host/g.wasm" }, pageHasWebGpu: false },
    },
  ]);
  const device = {
    kind: "webgpu",
    adapter: "acme",
    reason: "WebGPU was asked for.",
    software: false,
    threads: 1,
  };
  worker.answer({ type: "result", id: 1, value: device });
  const lx = await creating;
  assert.deepEqual(lx.device, device);
  assert.deepEqual(await lx.cache.list(), [], "without a file system the cache is empty");

  const loading = lx.languageModel("https://host/m.gguf", { cache: false });
  const encoding = lx.encoder("https://host/enc/");
  const sent = worker.posted.slice(1) as { params: Record<string, unknown> }[];
  assert.deepEqual(sent[0]?.params, { weights: { kind: "url", url: "https://host/m.gguf" } });
  assert.deepEqual(sent[1]?.params, {
    weights: { kind: "url", url: "https://host/enc/model.safetensors" },
    tokenizer: { kind: "url", url: "https://host/enc/tokenizer.json" },
    config: { kind: "url", url: "https://host/enc/config.json" },
    cache: "mine",
  });
  const both = [rejectsWith(loading, "disposed"), rejectsWith(encoding, "disposed")];
  await Promise.all([lx.dispose(), lx.dispose()]);
  await Promise.all(both);
  assert.equal(worker.terminated, true);
  await rejectsWith(lx.memory(), "disposed");
});

async function started(load?: WasmEngine["loadLanguageModel"], model = new FakeModel(["a"])) {
  const { client, host } = connect(fakeModule({ model, ...(load ? { load } : {}) }));
  await client.call("create", CREATE);
  return { client, host };
}

test("engine errors keep their code and message across the worker", async () => {
  const { client } = await started(() =>
    Promise.reject(engineError("bad-checkpoint", "The file ends too early.")),
  );
  const error = await rejectsWith(client.call("loadLanguageModel", { weights: WEIGHTS }), "bad-checkpoint");
  assert.equal(error.message, "The file ends too early.");
});

test("calls before create, and with handles that are gone, are refused", async () => {
  const { client } = connect(fakeModule());
  await rejectsWith(client.call("loadLanguageModel", { weights: WEIGHTS }), "disposed");
  await rejectsWith(client.call("tokenize", { handle: 9, text: "", addSpecial: true }), "disposed");
});

test("a bad hash argument is refused before anything is read", async () => {
  const { client } = await started();
  await rejectsWith(
    client.call("loadLanguageModel", { weights: WEIGHTS, sha256: "abc" }),
    "invalid-argument",
  );
});

test("aborting a load rejects at once, and frees a model that came too late", {
  timeout: 10_000,
}, async () => {
  const model = new FakeModel(["a"]);
  const asked: boolean[] = [];
  const { client } = await started(async (_weights, _options, onProgress) => {
    asked.push(onProgress(1, 10));
    await new Promise((resolve) => setTimeout(resolve, 400));
    asked.push(onProgress(9, 10));
    return model;
  });
  const controller = new AbortController();
  const begun = performance.now();
  const loading = client.call("loadLanguageModel", { weights: WEIGHTS }, { signal: controller.signal });
  setTimeout(() => controller.abort(), 10);
  await rejectsWith(loading, "aborted");
  assert.ok(performance.now() - begun < 300, "waited for the engine");
  while (!model.freed) await new Promise((resolve) => setTimeout(resolve, 10));
  assert.deepEqual(asked, [true, false]);
});

test("load progress arrives before the result, ends at the total, and stops after an abort", async () => {
  const { client } = await started();
  const events: unknown[] = [];
  await client.call("loadLanguageModel", { weights: WEIGHTS }, { onEvent: (event) => events.push(event) });
  assert.deepEqual(events, [
    { type: "progress", progress: { phase: "load", file: "weights", loaded: 7, total: 7, fromCache: false } },
  ]);
});

test("closing while a load runs waits for the engine before it is freed", async () => {
  const order: string[] = [];
  const model = new FakeModel(["a"]);
  const module = fakeModule({
    model,
    load: async (_weights, _options, onProgress) => {
      while (onProgress(1, 2)) await new Promise((resolve) => setTimeout(resolve, 5));
      order.push("load stopped");
      throw engineError("aborted", "stopped");
    },
  });
  const create = module.createEngine;
  module.createEngine = async () => {
    const engine = await create();
    return { ...engine, free: () => order.push("engine freed") };
  };
  const { client } = connect(module);
  await client.call("create", CREATE);
  const loading = rejectsWith(client.call("loadLanguageModel", { weights: WEIGHTS }), "disposed");
  await new Promise((resolve) => setTimeout(resolve, 10));
  await client.close();
  await loading;
  assert.deepEqual(order, ["load stopped", "engine freed"]);
});

test("embeddings come one per text, and abort between texts", async () => {
  const { client } = await started();
  const files = { weights: WEIGHTS, tokenizer: WEIGHTS, config: WEIGHTS };
  const { handle } = await client.call("loadEncoder", files);
  const vectors = await client.call("embed", { handle, texts: ["", "a", "bb"] });
  assert.deepEqual(
    vectors.map((vector) => [...vector]),
    [[0], [1], [2]],
  );
  const controller = new AbortController();
  const long = client.call(
    "embed",
    { handle, texts: Array.from({ length: 100_000 }, () => "a") },
    { signal: controller.signal },
  );
  setTimeout(() => controller.abort(), 5);
  await rejectsWith(long, "aborted");
  await rejectsWith(client.call("detokenize", { handle, ids: new Uint32Array() }), "internal");
});

test("only arrays that own their memory are moved", () => {
  const own = new Float32Array(4);
  const shared = new Uint8Array(new ArrayBuffer(64), 0, 8);
  const found = transferables({ own, shared, text: "x", list: [own] });
  assert.deepEqual(found, [own.buffer, own.buffer]);
  assert.deepEqual(transferables(null), []);
});

test("an argument that cannot be cloned is the caller's mistake", async () => {
  const worker = new FakeWorker();
  const client = new EngineClient(workerChannel(() => asWorker(worker)));
  const odd = { ...CREATE, wasmUrl: { cpu: (() => "") as unknown as string } };
  assert.ok((await rejectsWith(client.call("create", odd), "invalid-argument")) instanceof LexigraftError);
});
