import { abortError } from "./abort.js";
import type { EngineClient, StartedCall } from "./client.js";
import { LexigraftError } from "./errors.js";
import type { ByteGenerateEnd, Handle } from "./protocol.js";
import type { ByteGenerateOptions, ByteGenerateResult, ByteGeneration, BytePiece } from "./types.js";
import type { WasmByteGenerateOptions } from "./wasm-module.js";

/** Every option with its default; `signal` stays in the page. */
export function fillByteOptions(options: ByteGenerateOptions): WasmByteGenerateOptions {
  return {
    maxBytes: options.maxBytes ?? 512,
    temperature: options.temperature ?? 0.7,
    topK: options.topK ?? 0,
    topP: options.topP ?? 0.95,
    minP: options.minP ?? 0,
    seed: options.seed ?? crypto.getRandomValues(new Uint32Array(1))[0] ?? 0,
    utf8: options.utf8 ?? true,
    tolerance: options.tolerance ?? 0.01,
    ...(options.regex === undefined ? {} : { regex: options.regex }),
  };
}

/** Collects a generation's bytes. Readers follow at their own pace, each from the beginning. */
export class ByteGenerationStream implements ByteGeneration {
  readonly result: Promise<ByteGenerateResult>;
  readonly #started = performance.now();
  readonly #pieces: BytePiece[] = [];
  readonly #decoder = new TextDecoder();
  readonly #call: StartedCall<"generateBytes"> | undefined;
  #over: { error: LexigraftError | undefined } | undefined;
  #wake: (() => void)[] = [];

  constructor(
    client: EngineClient,
    handle: Handle,
    prompt: Uint8Array,
    private readonly options: WasmByteGenerateOptions,
    signal: AbortSignal | undefined,
  ) {
    if (signal?.aborted) {
      this.#finish(abortError(signal));
      this.result = Promise.resolve(this.#summary(undefined));
      return;
    }
    this.#call = client.start("generateBytes", { handle, prompt, options }, ({ bytes, logProb }) => {
      this.#pieces.push({ bytes, text: this.#decoder.decode(bytes, { stream: true }), logProb });
      this.#notify();
    });
    const onAbort = () => this.cancel();
    signal?.addEventListener("abort", onAbort, { once: true });
    this.result = this.#settle(this.#call.result).finally(() =>
      signal?.removeEventListener("abort", onAbort),
    );
    // Whoever only iterates has the error from the iterator; it must not be reported as unhandled too.
    this.result.catch(() => undefined);
  }

  cancel(): void {
    if (this.#over !== undefined) return;
    this.#finish(new LexigraftError("aborted", "The generation was aborted."));
    this.#call?.cancel();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<BytePiece, void, undefined> {
    let at = 0;
    try {
      for (;;) {
        // An abort takes effect at once; other errors come after the pieces that preceded them.
        if (this.#over?.error?.code === "aborted") throw this.#over.error;
        const piece = this.#pieces[at];
        if (piece !== undefined) {
          at += 1;
          yield piece;
        } else if (this.#over !== undefined) {
          if (this.#over.error !== undefined) throw this.#over.error;
          return;
        } else {
          await new Promise<void>((resolve) => this.#wake.push(resolve));
        }
      }
    } finally {
      this.cancel();
    }
  }

  async #settle(ending: Promise<ByteGenerateEnd>): Promise<ByteGenerateResult> {
    try {
      const end = await ending;
      const aborted = this.#over !== undefined || end.reason === "aborted";
      this.#finish(aborted ? new LexigraftError("aborted", "The generation was aborted.") : undefined);
      return this.#summary(aborted ? { ...end, reason: "aborted" } : end);
    } catch (thrown) {
      const error = thrown as LexigraftError;
      this.#finish(error);
      if (this.#over?.error?.code === "aborted") return this.#summary(undefined);
      throw error;
    }
  }

  #summary(end: ByteGenerateEnd | undefined): ByteGenerateResult {
    const bytes = Uint8Array.from(this.#pieces.flatMap((piece) => [...piece.bytes]));
    const totalMs = performance.now() - this.#started;
    return {
      bytes,
      text: new TextDecoder().decode(bytes),
      reason: end?.reason ?? "aborted",
      seed: this.options.seed,
      evaluations: end?.evaluations ?? 0,
      tokens: end?.tokens ?? 0,
      bytesPerSecond: bytes.length > 0 ? (bytes.length * 1000) / totalMs : undefined,
      totalMs,
    };
  }

  #finish(error: LexigraftError | undefined): void {
    this.#over ??= { error };
    this.#notify();
  }

  #notify(): void {
    const waiting = this.#wake;
    this.#wake = [];
    for (const wake of waiting) wake();
  }
}
