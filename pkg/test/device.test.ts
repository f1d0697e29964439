import assert from "node:assert/strict";
import { test } from "node:test";
import { chooseDevice } from "../src/device.js";
import { startEngine } from "../src/engine.js";
import { type GpuAdapterLike, type GpuLike, type GpuProbe, probeWebGpu } from "../src/probe.js";
import type { EngineModule } from "../src/protocol.js";
import { type ThreadChoice, threadsHere } from "../src/threads.js";
import type { DeviceKind } from "../src/types.js";
import type { WasmModule } from "../src/wasm-module.js";
import { rejectsWith } from "./support/expect-error.js";
import { engineError, fakeModule } from "./support/fake-engine.js";

const FLOOR = {
  maxComputeInvocationsPerWorkgroup: 256,
  maxComputeWorkgroupStorageSize: 16384,
  maxStorageBufferBindingSize: 134217728,
  maxBufferSize: 268435456,
};

function gpuWith(adapter: Partial<GpuAdapterLike> | null): GpuLike {
  return { requestAdapter: async () => (adapter === null ? null : { limits: FLOOR, ...adapter }) };
}

const choose = async (requested: "auto" | DeviceKind, gpu: GpuLike | undefined) =>
  chooseDevice(requested, () => probeWebGpu(gpu));

test("a hardware adapter with the floor's limits wins in auto", async () => {
  const choice = await choose("auto", gpuWith({ info: { vendor: "acme", architecture: "one" } }));
  assert.equal(choice.kind, "webgpu");
  assert.equal(choice.software, false);
  assert.match(choice.reason, /acme one is a hardware adapter/);
});

test("without WebGPU auto takes the CPU and says why", async () => {
  const choice = await choose("auto", undefined);
  assert.equal(choice.kind, "cpu");
  assert.match(choice.reason, /does not offer WebGPU/);
});

test("without an adapter auto takes the CPU", async () => {
  const choice = await choose("auto", gpuWith(null));
  assert.equal(choice.kind, "cpu");
  assert.match(choice.reason, /no graphics adapter/);
});

const software: [string, Partial<GpuAdapterLike>][] = [
  ["the adapter's own flag", { isFallbackAdapter: true }],
  ["the flag in its info", { info: { vendor: "google", isFallbackAdapter: true } }],
  ["the name SwiftShader", { info: { architecture: "swiftshader" } }],
  ["the name llvmpipe", { info: { description: "llvmpipe (LLVM 19)" } }],
  ["Microsoft's basic driver", { info: { device: "Microsoft Basic Render Driver" } }],
];
for (const [what, adapter] of software) {
  test(`a software adapter, known by ${what}, never wins in auto and is marked when asked for`, async () => {
    const auto = await choose("auto", gpuWith(adapter));
    assert.equal(auto.kind, "cpu");
    assert.match(auto.reason, /software/);
    const asked = await choose("webgpu", gpuWith(adapter));
    assert.equal(asked.kind, "webgpu");
    assert.equal(asked.software, true);
    assert.match(asked.reason, /software/);
  });
}

for (const limit of Object.keys(FLOOR)) {
  test(`an adapter below the floor in ${limit} is refused by name`, async () => {
    const gpu = gpuWith({ limits: { ...FLOOR, [limit]: 1 } });
    assert.match((await choose("auto", gpu)).reason, new RegExp(`${limit} is 1 `));
    const error = await rejectsWith(choose("webgpu", gpu), "no-webgpu");
    assert.match(error.message, new RegExp(limit));
  });
}

test("asking for WebGPU without it fails with no-webgpu and a way out", async () => {
  const error = await rejectsWith(choose("webgpu", undefined), "no-webgpu");
  assert.match(error.hint ?? "", /cpu/);
});

test("asking for the CPU does not touch WebGPU", async () => {
  const choice = await chooseDevice("cpu", () => assert.fail("probed"));
  assert.equal(choice.kind, "cpu");
});

test("an adapter request that throws or hangs is no adapter", async () => {
  const throwing: GpuLike = { requestAdapter: () => Promise.reject(new Error("driver gone")) };
  assert.match((await probeWebGpu(throwing)).problem ?? "", /driver gone/);
  const hanging: GpuLike = { requestAdapter: () => new Promise(() => undefined) };
  assert.match((await probeWebGpu(hanging, 5)).problem ?? "", /in time/);
});

const hardware: GpuProbe = { available: true, software: false, adapter: "acme" };

function environment(
  gpu: () => Promise<ReturnType<typeof fakeModule>>,
  threads: ThreadChoice = { count: 1, why: "" },
  helpersFail = false,
) {
  const loaded: string[] = [];
  return {
    loaded,
    probe: async () => hardware,
    threads: () => threads,
    startHelpers: async (_module: WasmModule, count: number) => {
      loaded.push(`${count} helpers`);
      if (helpersFail) throw engineError("worker-failed", "A thread did not start.");
    },
    loadModule: async (name: EngineModule, wasmUrl: string | undefined) => {
      loaded.push(`${name} ${wasmUrl ?? ""}`);
      return name === "gpu" ? gpu() : fakeModule();
    },
  };
}

const create = (device: "auto" | DeviceKind) => ({
  device,
  wasmUrl: { cpu: "c.wasm", cpuThreads: "t.wasm", gpu: "g.wasm" },
  pageHasWebGpu: true,
});

test("auto falls back to the CPU when the GPU engine fails to start, and says so", async () => {
  const env = environment(async () => {
    throw engineError("no-webgpu", "The self-test gave wrong numbers.");
  });
  const { device } = await startEngine(env, create("auto"), new AbortController().signal);
  assert.deepEqual(env.loaded, ["gpu g.wasm", "cpu c.wasm"]);
  assert.equal(device.kind, "cpu");
  assert.equal(
    device.reason,
    "The CPU is used because WebGPU failed to start (The self-test gave wrong numbers).",
  );
});

test("an explicit webgpu does not fall back", async () => {
  const env = environment(async () => {
    throw engineError("no-webgpu", "The self-test gave wrong numbers.");
  });
  await assert.rejects(startEngine(env, create("webgpu"), new AbortController().signal), {
    code: "no-webgpu",
  });
  assert.deepEqual(env.loaded, ["gpu g.wasm"]);
});

test("only the chosen engine is loaded", async () => {
  const env = environment(async () => fakeModule({ kind: "webgpu" }));
  const { device } = await startEngine(env, create("auto"), new AbortController().signal);
  assert.deepEqual(env.loaded, ["gpu g.wasm"]);
  assert.equal(device.adapter, "fake webgpu");
});

test("exchanged engine files are noticed", async () => {
  const env = environment(async () => fakeModule({ kind: "cpu" }));
  await rejectsWith(startEngine(env, create("webgpu"), new AbortController().signal), "internal");
});

test("an abort while the engine starts ends with aborted, not with the other engine", async () => {
  const controller = new AbortController();
  const env = environment(async () => {
    controller.abort();
    throw new Error("interrupted");
  });
  await rejectsWith(startEngine(env, create("auto"), controller.signal), "aborted");
  assert.deepEqual(env.loaded, ["gpu g.wasm"]);
});

test("the threaded engine is taken where threads are, and says how many", async () => {
  const env = environment(async () => assert.fail("no GPU here"), { count: 4, why: "" });
  const { device } = await startEngine(env, create("cpu"), new AbortController().signal);
  assert.deepEqual(env.loaded, ["cpuThreads t.wasm", "3 helpers"]);
  assert.equal(device.threads, 4);
  assert.equal(device.reason, "The CPU was asked for.");
});

test("threads that do not start give way to one, and the reason says why", async () => {
  const env = environment(async () => assert.fail("no GPU here"), { count: 4, why: "" }, true);
  const { device } = await startEngine(env, create("cpu"), new AbortController().signal);
  assert.deepEqual(env.loaded, ["cpuThreads t.wasm", "3 helpers", "cpu c.wasm"]);
  assert.equal(device.threads, 1);
  assert.equal(device.reason, "The CPU was asked for. One thread: A thread did not start.");
});

test("a page that is not isolated has one thread and hears why", async () => {
  const env = environment(async () => assert.fail("no GPU here"), threadsHere(2));
  const { device } = await startEngine(env, create("cpu"), new AbortController().signal);
  assert.deepEqual(env.loaded, ["cpu c.wasm"]);
  assert.match(device.reason, /One thread: the page is not cross-origin isolated\.$/);
});

test("own engine files without a threaded one mean one thread", async () => {
  const env = environment(async () => assert.fail("no GPU here"), { count: 2, why: "" });
  const params = { ...create("cpu"), wasmUrl: { cpu: "c.wasm" } };
  const { device } = await startEngine(env, params, new AbortController().signal);
  assert.deepEqual(env.loaded, ["cpu c.wasm"]);
  assert.match(device.reason, /wasmUrl names no threaded engine/);
});
