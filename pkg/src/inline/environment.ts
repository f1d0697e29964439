import type { EngineEnvironment } from "../engine.js";
import { LexigraftError } from "../errors.js";
import { startModule } from "../start-module.js";
import * as cpu from "../wasm/cpu/lexigraft.js";
import type { WasmModule } from "../wasm-module.js";

/** The single file's engine: the CPU's, with one thread. */
export function inlineEnvironment(wasm: Blob, whereAndWhy: string): EngineEnvironment {
  return {
    loadModule: async (name, _wasmUrl, signal) => {
      if (name !== "cpu") throw new LexigraftError("internal", `The single file has no ${name} engine.`);
      const glue = cpu as unknown as WasmModule;
      await startModule(glue, name, new Response(wasm), signal);
      return glue;
    },
    probe: async () => ({
      available: false,
      software: false,
      adapter: "",
      problem: "the single file holds the CPU engine alone",
    }),
    threads: (requested) => ({ count: 1, why: requested === 1 ? "" : whereAndWhy }),
    startHelpers: async () => undefined,
    moduleSize: () => ({ bytes: wasm.size, encodedBytes: wasm.size }),
  };
}
