import { abortError } from "./abort.js";
import { callUser, type EngineClient, type StartedCall } from "./client.js";
import { LexigraftError } from "./errors.js";
import type { Event, GenerateEnd, Handle } from "./protocol.js";
import type { ChatMessage, GenerateOptions, GenerateResult, Generation, Piece } from "./types.js";
import type { WasmGenerateOptions } from "./wasm-module.js";

/** Every option with its default; `signal` and `onPrefill` stay in the page. */
export function fillOptions(options: GenerateOptions): WasmGenerateOptions {
  return {
    maxTokens: options.maxTokens ?? 128,
    temperature: options.temperature ?? 0.7,
    topK: options.topK ?? 40,
    topP: options.topP ?? 0.95,
    minP: options.minP ?? 0,
    repetitionPenalty: options.repetitionPenalty ?? 1,
    seed: options.seed ?? randomSeed(),
    stop: options.stop ?? [],
    logProbs: options.logProbs ?? false,
    addSpecial: options.addSpecial ?? true,
  };
}

function randomSeed(): number {
  return crypto.getRandomValues(new Uint32Array(1))[0] ?? 0;
}

/** Collects a generation's pieces. Readers follow at their own pace, each from the beginning. */
export class GenerationStream implements Generation {
  readonly result: Promise<GenerateResult>;
  readonly #started = performance.now();
  readonly #pieces: Piece[] = [];
  readonly #call: StartedCall<"generate"> | undefined;
  #firstAt: number | undefined;
  #lastAt: number | undefined;
  /** Set when nothing more will come, or nobody wants it: undefined inside for a normal end. */
  #over: { error: LexigraftError | undefined } | undefined;
  #wake: (() => void)[] = [];

  constructor(
    client: EngineClient,
    handle: Handle,
    prompt: string | ChatMessage[],
    private readonly options: WasmGenerateOptions,
    user: Pick<GenerateOptions, "signal" | "onPrefill">,
  ) {
    const { signal, onPrefill } = user;
    if (signal?.aborted) {
      this.#finish(abortError(signal));
      this.result = Promise.resolve(this.#aborted(undefined));
      return;
    }
    this.#call = client.start("generate", { handle, prompt, options }, (event) =>
      this.#receive(event, onPrefill),
    );
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

  async *[Symbol.asyncIterator](): AsyncGenerator<Piece, void, undefined> {
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

  #receive(event: Event<"generate">, onPrefill: GenerateOptions["onPrefill"]): void {
    if (event.type === "prefill") {
      if (this.#over === undefined) callUser(onPrefill, { done: event.done, total: event.total });
      return;
    }
    const { text, id, logProb } = event;
    this.#lastAt = performance.now();
    this.#firstAt ??= this.#lastAt;
    this.#push(logProb === undefined ? { text, id } : { text, id, logProb });
  }

  async #settle(ending: Promise<GenerateEnd>): Promise<GenerateResult> {
    let end: GenerateEnd;
    try {
      end = await ending;
    } catch (thrown) {
      const error = thrown as LexigraftError;
      this.#finish(error);
      if (this.#over?.error?.code === "aborted") return this.#aborted(undefined);
      throw error;
    }
    const lastId = this.#pieces.at(-1)?.id;
    if (this.#over !== undefined || end.reason === "aborted") {
      // Without this, a model disposed in the middle would leave readers waiting.
      this.#finish(new LexigraftError("aborted", "The generation was aborted."));
      return this.#aborted(end);
    }
    if (end.text !== "" && lastId !== undefined) this.#push({ text: end.text, id: lastId, tail: true });
    this.#finish(undefined);
    return { ...this.#summary(end), reason: end.reason, ids: end.ids ?? this.#ids() };
  }

  #aborted(end: GenerateEnd | undefined): GenerateResult {
    return { ...this.#summary(end), reason: "aborted", ids: this.#ids() };
  }

  #summary(end: GenerateEnd | undefined): Omit<GenerateResult, "reason" | "ids"> {
    const tokens = this.#pieces.filter((piece) => piece.tail === undefined);
    const decodeMs = end?.decodeMs ?? (this.#lastAt ?? 0) - (this.#firstAt ?? 0);
    return {
      text: this.#pieces.map((piece) => piece.text).join(""),
      promptIds: end?.promptIds ?? new Uint32Array(),
      seed: this.options.seed,
      timeToFirstTokenMs: this.#firstAt === undefined ? undefined : this.#firstAt - this.#started,
      tokensPerSecond:
        tokens.length > 1 && decodeMs > 0 ? ((tokens.length - 1) * 1000) / decodeMs : undefined,
      totalMs: performance.now() - this.#started,
      ...(this.options.logProbs ? { logProbs: tokens.map((piece) => piece.logProb ?? Number.NaN) } : {}),
    };
  }

  #ids(): Uint32Array {
    return Uint32Array.from(
      this.#pieces.filter((piece) => piece.tail === undefined).map((piece) => piece.id),
    );
  }

  #push(piece: Piece): void {
    this.#pieces.push(piece);
    this.#notify();
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
