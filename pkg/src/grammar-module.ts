/** JSON schemas and grammars, by a WebAssembly module of their own: crates/grammar/src/border.rs has its surface. */
import { LexigraftError } from "./errors.js";
import type { WasmByteConstraint } from "./wasm-module.js";

/** What a constraint is written as. */
export interface ConstraintText {
  kind: "grammar" | "json-schema";
  text: string;
}

/** A constraint that was compiled. None of its methods throws: it is asked from inside the engine. */
export interface CompiledConstraint extends WasmByteConstraint {
  /** Why it lets nothing through any more, where that is not what it says. */
  failure(): string | undefined;
}

/** Compiles constraints; a part of the environment that tests replace. */
export interface GrammarModule {
  /** Fails with `bad-constraint` or `contradictory-constraints`. */
  compile(constraint: ConstraintText): Promise<CompiledConstraint>;
}

interface Exports {
  readonly memory: WebAssembly.Memory;
  write_text(length: number): number;
  text_start(): number;
  text_length(): number;
  compile(schema: number): number;
  allowed(handle: number): void;
  advance(handle: number, byte: number): void;
  failed(handle: number): number;
  fork(handle: number): number;
  release(handle: number): void;
}

/** Slots of a mask: the 256 bytes and the end. */
const SLOTS = 257;

const names = { grammar: "the grammar", "json-schema": "the JSON schema" };

/**
 * Each constraint has an instance of its own: what it takes is given back with it, and one that fails inside the
 * module over a hostile grammar harms no other.
 */
export function grammarModule(module: WebAssembly.Module): GrammarModule {
  return {
    compile: async ({ kind, text }) => {
      const { exports } = await WebAssembly.instantiate(module, {});
      const instance = new Instance(exports as unknown as Exports);
      const handle = instance.compile(kind, text);
      return new Constraint(instance, kind, handle);
    },
  };
}

class Instance {
  trapped: string | undefined;

  constructor(readonly exports: Exports) {}

  compile(kind: ConstraintText["kind"], text: string): number {
    const bytes = new TextEncoder().encode(text);
    let handle: number;
    try {
      const start = this.exports.write_text(bytes.length);
      new Uint8Array(this.exports.memory.buffer, start, bytes.length).set(bytes);
      handle = this.exports.compile(kind === "json-schema" ? 1 : 0);
    } catch (cause) {
      throw new LexigraftError("bad-constraint", `${names[kind]} is too much for its parser: ${say(cause)}`, {
        cause,
        hint: "Nest it less deeply, or make it smaller.",
      });
    }
    if (handle >= 0) return handle;
    const code = handle === -2 ? "contradictory-constraints" : "bad-constraint";
    throw new LexigraftError(code, this.text());
  }

  /** The text that the last call left. */
  text(): string {
    return new TextDecoder().decode(this.bytes());
  }

  bytes(): Uint8Array {
    const { memory, text_start, text_length } = this.exports;
    return new Uint8Array(memory.buffer, text_start(), text_length()).slice();
  }

  /** After a trap the instance is not asked again. */
  guard<T>(work: (exports: Exports) => T, otherwise: T): T {
    if (this.trapped !== undefined) return otherwise;
    try {
      return work(this.exports);
    } catch (error) {
      this.trapped = say(error);
      return otherwise;
    }
  }
}

class Constraint implements CompiledConstraint {
  constructor(
    private readonly instance: Instance,
    private readonly kind: ConstraintText["kind"],
    private readonly handle: number,
  ) {}

  allowed(): Uint8Array {
    const read = (exports: Exports) => {
      exports.allowed(this.handle);
      return this.instance.bytes();
    };
    return this.instance.guard(read, new Uint8Array(SLOTS));
  }

  advance(byte: number): void {
    this.instance.guard((exports) => exports.advance(this.handle, byte), undefined);
  }

  name(): string {
    return names[this.kind];
  }

  fork(): Constraint {
    const handle = this.instance.guard((exports) => exports.fork(this.handle), -1);
    return new Constraint(this.instance, this.kind, handle);
  }

  free(): void {
    this.instance.guard((exports) => exports.release(this.handle), undefined);
  }

  failure(): string | undefined {
    const read = (exports: Exports) => (exports.failed(this.handle) ? this.instance.text() : undefined);
    return this.instance.guard(read, undefined) ?? this.instance.trapped;
  }
}

function say(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
