import { abortError } from "./abort.js";
import type { EngineClient, StartedCall } from "./client.js";
import { LexigraftError } from "./errors.js";
import type { ConstraintText } from "./grammar-module.js";
import { PieceStream } from "./piece-stream.js";
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

/** The constraints that a module of their own reads. Throws `bad-constraint` for a schema that has no JSON. */
export function constraintTexts({ jsonSchema, grammar }: ByteGenerateOptions): ConstraintText[] {
  const texts: ConstraintText[] = [];
  if (jsonSchema !== undefined) texts.push({ kind: "json-schema", text: schemaText(jsonSchema) });
  if (grammar !== undefined) texts.push({ kind: "grammar", text: String(grammar) });
  return texts;
}

function schemaText(schema: object | string): string {
  if (typeof schema === "string") return schema;
  let text: string | undefined;
  try {
    text = JSON.stringify(schema);
  } catch (cause) {
    throw new LexigraftError("bad-constraint", "The JSON schema cannot be written as JSON.", { cause });
  }
  if (text === undefined) throw new LexigraftError("bad-constraint", "The JSON schema is no JSON.");
  return text;
}

/** A generation of bytes as it comes from the engine. */
export class ByteGenerationStream implements ByteGeneration {
  readonly result: Promise<ByteGenerateResult>;
  readonly #started = performance.now();
  readonly #stream = new PieceStream<BytePiece>(() => this.#call?.cancel());
  readonly #decoder = new TextDecoder();
  readonly #call: StartedCall<"generateBytes"> | undefined;

  constructor(
    client: EngineClient,
    handle: Handle,
    prompt: Uint8Array,
    private readonly options: WasmByteGenerateOptions,
    constraints: ConstraintText[],
    signal: AbortSignal | undefined,
  ) {
    if (signal?.aborted) {
      this.#stream.finish(abortError(signal));
      this.result = Promise.resolve(this.#summary(undefined));
      return;
    }
    const params = { handle, prompt, options, constraints };
    this.#call = client.start("generateBytes", params, ({ bytes, logProb }) => {
      this.#stream.push({ bytes, text: this.#decoder.decode(bytes, { stream: true }), logProb });
    });
    this.result = this.#stream.cancelledBy(signal, this.#settle(this.#call.result));
  }

  cancel(): void {
    this.#stream.cancel();
  }

  [Symbol.asyncIterator](): AsyncGenerator<BytePiece, void, undefined> {
    return this.#stream[Symbol.asyncIterator]();
  }

  async #settle(ending: Promise<ByteGenerateEnd>): Promise<ByteGenerateResult> {
    try {
      const end = await ending;
      if (this.#stream.over || end.reason === "aborted") {
        this.#stream.abort();
        return this.#summary({ ...end, reason: "aborted" });
      }
      this.#stream.finish(undefined);
      return this.#summary(end);
    } catch (thrown) {
      const error = thrown as LexigraftError;
      this.#stream.finish(error);
      if (this.#stream.aborted) return this.#summary(undefined);
      throw error;
    }
  }

  #summary(end: ByteGenerateEnd | undefined): ByteGenerateResult {
    const bytes = Uint8Array.from(this.#stream.pieces.flatMap((piece) => [...piece.bytes]));
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
}
