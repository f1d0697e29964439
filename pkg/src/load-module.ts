import { LexigraftError } from "./errors.js";
import { fetchOk } from "./fetch-ok.js";
import { moduleSize } from "./module-size.js";
import type { EngineModule } from "./protocol.js";
import { startModule } from "./start-module.js";
import type { ModuleSize } from "./types.js";
import type { WasmModule } from "./wasm-module.js";

const HINT =
  "Serve the package's wasm folder beside its scripts, or say where it is with wasmUrl. With Vite, add " +
  'optimizeDeps: { exclude: ["lexigraft"] }.';

/**
 * The engine's modules. Both `import()` and `new URL()` are written out in full for each: bundlers follow them only
 * when they are literal, and only the chosen module is fetched.
 */
const modules: Record<EngineModule, { glue: () => Promise<unknown>; wasm: () => URL }> = {
  cpu: {
    glue: () => import("./wasm/cpu/lexigraft.js"),
    wasm: () => new URL("./wasm/cpu/lexigraft_bg.wasm", import.meta.url),
  },
  cpuThreads: {
    glue: () => import("./wasm/cpu-threads/lexigraft.js"),
    wasm: () => new URL("./wasm/cpu-threads/lexigraft_bg.wasm", import.meta.url),
  },
  gpu: {
    glue: () => import("./wasm/gpu/lexigraft.js"),
    wasm: () => new URL("./wasm/gpu/lexigraft_bg.wasm", import.meta.url),
  },
};

/** The address of the module that was started last. */
let started: string | undefined;

/** The size of the module that was started last. */
export function startedModuleSize(): ModuleSize | undefined {
  return started === undefined ? undefined : moduleSize(started);
}

/** Fetches and starts one of the engine's modules. */
export async function loadModule(
  name: EngineModule,
  wasmUrl: string | undefined,
  signal: AbortSignal,
): Promise<WasmModule> {
  let glue: WasmModule;
  try {
    glue = (await modules[name].glue()) as WasmModule;
  } catch (cause) {
    throw new LexigraftError("network", `The ${name} engine's script could not be loaded.`, {
      cause,
      hint: HINT,
    });
  }
  const url = wasmUrl ?? modules[name].wasm().href;
  await startModule(glue, name, await fetchOk(url, { signal, hint: HINT }), signal);
  started = url;
  return glue;
}
