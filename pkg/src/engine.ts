import { throwIfAborted } from "./abort.js";
import { chooseDevice, cpuBecause } from "./device.js";
import { LexigraftError, toLexigraftError } from "./errors.js";
import type { OpenFile } from "./fetch-file.js";
import type { GrammarModule } from "./grammar-module.js";
import type { GpuProbe } from "./probe.js";
import type { CreateParams, EngineModule } from "./protocol.js";
import type { ThreadChoice } from "./threads.js";
import type { DeviceInfo, ModuleSize } from "./types.js";
import type { WasmEngine, WasmModule } from "./wasm-module.js";

/** What the engine needs from around it; tests give their own. */
export interface EngineEnvironment {
  loadModule(name: EngineModule, wasmUrl: string | undefined, signal: AbortSignal): Promise<WasmModule>;
  probe(): Promise<GpuProbe>;
  threads(requested: number | undefined): ThreadChoice;
  startHelpers(module: WasmModule, count: number, signal: AbortSignal): Promise<void>;
  /** Fetches what compiles JSON schemas and grammars; absent where there is none. */
  loadGrammar?(wasmUrl: string | undefined, signal: AbortSignal): Promise<GrammarModule>;
  /** What the started module took to download, as far as the browser tells. */
  moduleSize?(): ModuleSize | undefined;
  fetch?: (url: string, init: RequestInit) => Promise<Response>;
  openFile?: OpenFile;
}

export interface StartedEngine {
  engine: WasmEngine;
  module: WasmModule;
  device: DeviceInfo;
}

/** Chooses a device and starts its engine. With `auto`, a GPU that fails to start gives way to the CPU. */
export async function startEngine(
  environment: EngineEnvironment,
  params: CreateParams,
  signal: AbortSignal,
): Promise<StartedEngine> {
  const probe = async (): Promise<GpuProbe> => {
    const found = await environment.probe();
    const here = globalThis.navigator?.gpu !== undefined;
    if (found.available || here || !params.pageHasWebGpu) return found;
    return {
      ...found,
      problem: "this browser offers WebGPU to pages but not to workers (worker: false would use it)",
    };
  };
  let choice = await chooseDevice(params.device, probe);
  throwIfAborted(signal);
  const load = async (name: EngineModule) => {
    const module = await environment.loadModule(name, params.wasmUrl[name], signal);
    throwIfAborted(signal);
    return module;
  };
  let threads: ThreadChoice = { count: 1, why: "" };
  const start = async () => {
    if (choice.kind === "webgpu") {
      const module = await load("gpu");
      return { module, engine: await module.createEngine() };
    }
    threads = environment.threads(params.threads);
    const ownFiles = params.wasmUrl.cpu !== undefined && params.wasmUrl.cpuThreads === undefined;
    if (threads.count > 1 && ownFiles) {
      threads = { count: 1, why: "wasmUrl names no threaded engine" };
    }
    const module = threads.count > 1 ? await withHelpers() : await load("cpu");
    return { module, engine: await module.createEngine() };
  };
  const withHelpers = async () => {
    try {
      const module = await load("cpuThreads");
      await environment.startHelpers(module, threads.count - 1, signal);
      return module;
    } catch (error) {
      throwIfAborted(signal);
      threads = { count: 1, why: toLexigraftError(error).message.replace(/\.$/, "") };
      return load("cpu");
    }
  };
  const started = await start().catch((error: unknown) => {
    throwIfAborted(signal);
    if (choice.kind === "cpu" || params.device !== "auto") throw error;
    choice = cpuBecause(`WebGPU failed to start (${toLexigraftError(error).message.replace(/\.$/, "")})`);
    return start();
  });
  if (signal.aborted) started.engine.free();
  throwIfAborted(signal);
  const { kind, adapter } = started.engine.info();
  if (kind !== choice.kind) {
    started.engine.free();
    throw new LexigraftError("internal", `The ${choice.kind} engine says that it is a ${kind} engine.`, {
      hint: "Check wasmUrl: the two engine files may be exchanged.",
    });
  }
  const reason = threads.why === "" ? choice.reason : `${choice.reason} One thread: ${threads.why}.`;
  const { software } = choice;
  return { ...started, device: { kind, adapter, reason, software, threads: threads.count } };
}
