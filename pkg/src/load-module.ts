import { LexigraftError, toLexigraftError } from "./errors.js";
import { fetchOk } from "./fetch-ok.js";
import type { DeviceKind } from "./types.js";
import type { WasmModule } from "./wasm-module.js";

const HINT =
  "Serve the package's wasm folder beside its scripts, or say where it is with wasmUrl. With Vite, add " +
  'optimizeDeps: { exclude: ["lexigraft"] }.';

/**
 * Fetches and starts one of the two engine modules. Both `import()` and `new URL()` are written out in full for each:
 * bundlers follow them only when they are literal, and only the chosen module is fetched.
 */
export async function loadModule(
  kind: DeviceKind,
  wasmUrl: string | undefined,
  signal: AbortSignal,
): Promise<WasmModule> {
  let glue: WasmModule;
  try {
    glue = kind === "cpu" ? await import("./wasm/cpu/lexigraft.js") : await import("./wasm/gpu/lexigraft.js");
  } catch (cause) {
    throw new LexigraftError("network", `The ${kind} engine's script could not be loaded.`, {
      cause,
      hint: HINT,
    });
  }
  const url =
    wasmUrl ??
    (kind === "cpu"
      ? new URL("./wasm/cpu/lexigraft_bg.wasm", import.meta.url).href
      : new URL("./wasm/gpu/lexigraft_bg.wasm", import.meta.url).href);
  const response = await fetchOk(url, { signal, hint: HINT });
  try {
    await glue.default({ module_or_path: response });
  } catch (cause) {
    if (signal.aborted) throw toLexigraftError(cause, "aborted");
    if (cause instanceof WebAssembly.CompileError || cause instanceof WebAssembly.LinkError) {
      throw new LexigraftError("internal", `The ${kind} engine does not start here: ${cause.message}`, {
        cause,
        hint: "It needs WebAssembly SIMD, which every browser since 2023 has. Also check that the file is whole.",
      });
    }
    throw toLexigraftError(cause);
  }
  return glue;
}
