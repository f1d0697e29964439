import { LexigraftError, toLexigraftError } from "./errors.js";
import { fetchOk } from "./fetch-ok.js";
import { type GrammarModule, grammarModule } from "./grammar-module.js";

const HINT =
  "Serve the package's wasm folder beside its scripts, or say where the module is with wasmUrl.grammar.";

/** Fetches the module that reads JSON schemas and grammars. Written in full, because bundlers look for that. */
export async function loadGrammar(wasmUrl: string | undefined, signal: AbortSignal): Promise<GrammarModule> {
  const url = wasmUrl ?? new URL("./wasm/grammar/lexigraft_grammar.wasm", import.meta.url).href;
  const response = await fetchOk(url, { signal, hint: HINT });
  try {
    return grammarModule(await compile(response));
  } catch (cause) {
    if (signal.aborted) throw toLexigraftError(cause, "aborted");
    if (cause instanceof WebAssembly.CompileError) {
      throw new LexigraftError("internal", `The grammar module does not start here: ${cause.message}`, {
        cause,
        hint: "Check that the file is whole.",
      });
    }
    throw toLexigraftError(cause);
  }
}

/** While it arrives, where the server names its type. */
async function compile(response: Response): Promise<WebAssembly.Module> {
  const type = response.headers.get("content-type");
  if (type === "application/wasm") return WebAssembly.compileStreaming(response);
  return WebAssembly.compile(await response.arrayBuffer());
}
