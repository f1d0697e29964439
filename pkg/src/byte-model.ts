import { ByteGenerationStream, constraintTexts, fillByteOptions } from "./byte-generation.js";
import { callUser, type EngineClient } from "./client.js";
import { asyncDispose } from "./dispose.js";
import { LexigraftError } from "./errors.js";
import type { Handle } from "./protocol.js";
import { release } from "./release.js";
import type {
  ByteGenerateOptions,
  ByteGeneration,
  ByteModel,
  ByteScoreResult,
  ByteText,
  EnsembleOptions,
  NextByte,
  ScoreOptions,
} from "./types.js";
import type { WasmNextByte } from "./wasm-module.js";

/** Makes the byte model of one or several language models. */
export async function createByteModel(
  client: EngineClient,
  models: Handle[],
  { estimand, beam, combine = "mixture", alpha = 1 }: EnsembleOptions,
): Promise<ByteModel> {
  const options = {
    ...(estimand === undefined ? {} : { estimand }),
    ...(beam === undefined ? {} : { beam }),
  };
  const { handle } = await client.call("byteModel", { models, options, combine, alpha });
  return new ByteModelClient(client, handle);
}

/** A byte model that lives in the engine; this is the page's end of it. */
class ByteModelClient implements ByteModel {
  #disposing: Promise<void> | undefined;

  constructor(
    private readonly client: EngineClient,
    private readonly handle: Handle,
  ) {}

  async nextByte(
    prefix: ByteText,
    { cover = 5, signal }: { cover?: number; signal?: AbortSignal } = {},
  ): Promise<NextByte> {
    const params = { handle: this.handle, prefix: toBytes(prefix, "prefix"), cover };
    return plainNextByte(await this.client.call("nextByte", params, { signal }));
  }

  async score(
    text: ByteText,
    { prefix = "", signal, onProgress }: { prefix?: ByteText } & ScoreOptions = {},
  ): Promise<ByteScoreResult> {
    const bytes = toBytes(text, "text");
    const perByte = await this.client.call(
      "scoreBytes",
      { handle: this.handle, prefix: toBytes(prefix, "prefix"), text: bytes },
      { signal, onEvent: (progress) => callUser(onProgress, progress) },
    );
    const logProb = perByte.reduce((sum, value) => sum + value, 0);
    return { logProb, perByte, bitsPerByte: -logProb / Math.LN2 / Math.max(1, bytes.length) };
  }

  generate(prompt: ByteText, options: ByteGenerateOptions = {}): ByteGeneration {
    const bytes = toBytes(prompt, "prompt");
    return new ByteGenerationStream(
      this.client,
      this.handle,
      bytes,
      fillByteOptions(options),
      constraintTexts(options),
      options.signal,
    );
  }

  dispose(): Promise<void> {
    this.#disposing ??= release(this.client, this.handle);
    return this.#disposing;
  }

  [asyncDispose](): Promise<void> {
    return this.dispose();
  }
}

function plainNextByte({ cover, ...rest }: WasmNextByte): NextByte {
  return {
    ...rest,
    cover: cover.map(({ tokens, pending, share, nextIds, nextShares }) => ({
      tokens,
      pending,
      share,
      next: [...nextIds].map((id, index) => ({ id, share: nextShares[index] ?? 0 })),
    })),
  };
}

function toBytes(text: unknown, what: string): Uint8Array {
  if (typeof text === "string") return new TextEncoder().encode(text);
  if (text instanceof Uint8Array) return text;
  throw new LexigraftError("invalid-argument", `The ${what} must be a string or bytes.`);
}
