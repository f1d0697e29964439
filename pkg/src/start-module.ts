import { LexigraftError, toLexigraftError } from "./errors.js";
import type { EngineModule } from "./protocol.js";
import type { WasmModule } from "./wasm-module.js";

const SIMD_HINT =
  "It needs WebAssembly SIMD, which every browser since 2023 has. Also check that the file is whole.";
const POLICY_HINT =
  "The content security policy of the page, or of the worker's script, must allow WebAssembly: " +
  "script-src 'self' 'wasm-unsafe-eval'.";

/** Compiles and starts an engine's module. */
export async function startModule(
  glue: WasmModule,
  name: EngineModule,
  wasm: Response | WebAssembly.Module,
  signal: AbortSignal,
): Promise<void> {
  try {
    await glue.default({ module_or_path: wasm });
  } catch (cause) {
    if (signal.aborted) throw toLexigraftError(cause, "aborted");
    if (cause instanceof WebAssembly.CompileError || cause instanceof WebAssembly.LinkError) {
      throw new LexigraftError("internal", `The ${name} engine does not start here: ${cause.message}`, {
        cause,
        hint: /unsafe-eval|security policy|\bCSP\b/i.test(cause.message) ? POLICY_HINT : SIMD_HINT,
      });
    }
    throw toLexigraftError(cause);
  }
}
