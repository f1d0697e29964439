/** Constraints of a byte generation, on the engine's side. */
import type { EngineEnvironment } from "./engine.js";
import { LexigraftError } from "./errors.js";
import type { CompiledConstraint, ConstraintText, GrammarModule } from "./grammar-module.js";
import type { WasmByteConstraint } from "./wasm-module.js";

/** Compiles constraints, and fetches what does that when it is asked for the first time. */
export class Constraints {
  /** Where the module is, if the page said so. */
  wasmUrl: string | undefined;
  #module: GrammarModule | undefined;

  constructor(private readonly environment: EngineEnvironment) {}

  /** Runs a generation under constraints. */
  async under<T>(
    texts: readonly ConstraintText[],
    signal: AbortSignal,
    generate: (constraints: WasmByteConstraint[]) => Promise<T>,
  ): Promise<T> {
    const compiled = await this.#compile(texts, signal);
    try {
      return await generate(compiled);
    } catch (error) {
      // To the engine, one that gave up lets nothing through.
      for (const constraint of compiled) {
        const failure = constraint.failure();
        if (failure === undefined) continue;
        const message = `${constraint.name()} became too much work on the way: ${failure}`;
        throw new LexigraftError("bad-constraint", message, { cause: error });
      }
      throw error;
    } finally {
      for (const constraint of compiled) constraint.free();
    }
  }

  async #compile(texts: readonly ConstraintText[], signal: AbortSignal): Promise<CompiledConstraint[]> {
    if (texts.length === 0) return [];
    const { loadGrammar } = this.environment;
    if (loadGrammar === undefined) {
      throw new LexigraftError("bad-constraint", "The single file has no JSON schemas and grammars.", {
        hint: "Use a regular expression, or import lexigraft itself.",
      });
    }
    this.#module ??= await loadGrammar(this.wasmUrl, signal);
    const compiled: CompiledConstraint[] = [];
    for (const text of texts) compiled.push(await this.#module.compile(text));
    return compiled;
  }
}
