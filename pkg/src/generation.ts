import { abortError } from "./abort.js";
import { callUser, type EngineClient, type StartedCall } from "./client.js";
import type { LexigraftError } from "./errors.js";
import { PieceStream } from "./piece-stream.js";
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
    ...(options.lookahead === undefined ? {} : { lookahead: options.lookahead }),
  };
}

function randomSeed(): number {
  return crypto.getRandomValues(new Uint32Array(1))[0] ?? 0;
}

/** A generation as it comes from the engine. */
export class GenerationStream implements Generation {
  readonly result: Promise<GenerateResult>;
  readonly #started = performance.now();
  readonly #stream = new PieceStream<Piece>(() => this.#call?.cancel());
  readonly #call: StartedCall<"generate"> | undefined;
  #firstAt: number | undefined;
  #lastAt: number | undefined;

  constructor(
    client: EngineClient,
    handle: Handle,
    prompt: string | ChatMessage[],
    private readonly options: WasmGenerateOptions,
    user: Pick<GenerateOptions, "signal" | "onPrefill">,
  ) {
    const { signal, onPrefill } = user;
    if (signal?.aborted) {
      this.#stream.finish(abortError(signal));
      this.result = Promise.resolve(this.#aborted(undefined));
      return;
    }
    this.#call = client.start("generate", { handle, prompt, options }, (event) =>
      this.#receive(event, onPrefill),
    );
    this.result = this.#stream.cancelledBy(signal, this.#settle(this.#call.result));
  }

  cancel(): void {
    this.#stream.cancel();
  }

  [Symbol.asyncIterator](): AsyncGenerator<Piece, void, undefined> {
    return this.#stream[Symbol.asyncIterator]();
  }

  #receive(event: Event<"generate">, onPrefill: GenerateOptions["onPrefill"]): void {
    if (event.type === "prefill") {
      if (!this.#stream.over) callUser(onPrefill, { done: event.done, total: event.total });
      return;
    }
    const { text, id, logProb } = event;
    this.#lastAt = performance.now();
    this.#firstAt ??= this.#lastAt;
    this.#stream.push(logProb === undefined ? { text, id } : { text, id, logProb });
  }

  async #settle(ending: Promise<GenerateEnd>): Promise<GenerateResult> {
    let end: GenerateEnd;
    try {
      end = await ending;
    } catch (thrown) {
      const error = thrown as LexigraftError;
      this.#stream.finish(error);
      if (this.#stream.aborted) return this.#aborted(undefined);
      throw error;
    }
    const lastId = this.#stream.pieces.at(-1)?.id;
    if (this.#stream.over || end.reason === "aborted") {
      // Without this, a model disposed in the middle would leave readers waiting.
      this.#stream.abort();
      return this.#aborted(end);
    }
    if (end.text !== "" && lastId !== undefined)
      this.#stream.push({ text: end.text, id: lastId, tail: true });
    this.#stream.finish(undefined);
    return { ...this.#summary(end), reason: end.reason, ids: end.ids ?? this.#ids() };
  }

  #aborted(end: GenerateEnd | undefined): GenerateResult {
    return { ...this.#summary(end), reason: "aborted", ids: this.#ids() };
  }

  #summary(end: GenerateEnd | undefined): Omit<GenerateResult, "reason" | "ids"> {
    const tokens = this.#tokens();
    const decodeMs = end?.decodeMs ?? (this.#lastAt ?? 0) - (this.#firstAt ?? 0);
    return {
      text: this.#stream.pieces.map((piece) => piece.text).join(""),
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
    return Uint32Array.from(this.#tokens().map((piece) => piece.id));
  }

  /** Without the rest of a text that belongs to no new token. */
  #tokens(): Piece[] {
    return this.#stream.pieces.filter((piece) => piece.tail === undefined);
  }
}
