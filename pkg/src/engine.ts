import { throwIfAborted } from "./abort.js";
import { chooseDevice, cpuBecause } from "./device.js";
import { LexigraftError, toLexigraftError } from "./errors.js";
import type { GpuProbe } from "./probe.js";
import type { CreateParams } from "./protocol.js";
import type { DeviceInfo, DeviceKind } from "./types.js";
import type { WasmEngine, WasmModule } from "./wasm-module.js";

/** What the engine needs from around it; tests give their own. */
export interface EngineEnvironment {
  loadModule(kind: DeviceKind, wasmUrl: string | undefined, signal: AbortSignal): Promise<WasmModule>;
  probe(): Promise<GpuProbe>;
  fetch?: (url: string, init: RequestInit) => Promise<Response>;
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
  const start = async () => {
    const module = await environment.loadModule(
      choice.kind,
      params.wasmUrl[choice.kind === "cpu" ? "cpu" : "gpu"],
      signal,
    );
    throwIfAborted(signal);
    return { module, engine: await module.createEngine() };
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
  return { ...started, device: { kind, adapter, reason: choice.reason, software: choice.software } };
}
