import { throwIfAborted } from "./abort.js";
import { createByteModel } from "./byte-model.js";
import { cacheName, openCache } from "./cache.js";
import { callUser, EngineClient } from "./client.js";
import { asyncDispose } from "./dispose.js";
import { EncoderClient } from "./encoder.js";
import { LexigraftError } from "./errors.js";
import { LanguageModelClient } from "./language-model.js";
import { openChannel } from "./platform.js";
import type { LoadEvent, LoadParams } from "./protocol.js";
import { release } from "./release.js";
import { fileIn, resolveHub, resolveUrl, toPortable } from "./source.js";
import { TokenizerClient } from "./tokenizer.js";
import type {
  ByteModel,
  CacheOptions,
  CreateOptions,
  DeviceInfo,
  Encoder,
  EncoderOptions,
  EncoderSource,
  EngineMemory,
  EnsembleOptions,
  LanguageModel,
  LanguageModelOptions,
  LoadOptions,
  ModelCache,
  Source,
  Tokenizer,
  TokenizerOptions,
  Vision,
  VisionOptions,
  VisionSource,
} from "./types.js";
import { VisionClient } from "./vision.js";

/** An engine on one device. Several may exist beside each other, each in its own worker. */
export class Lexigraft implements AsyncDisposable {
  /** The files this origin has downloaded, whether or not this engine uses the cache. */
  readonly cache: ModelCache;

  private constructor(
    private readonly client: EngineClient,
    readonly device: Readonly<DeviceInfo>,
    private readonly cacheOptions: CacheOptions,
    private readonly caching: boolean,
  ) {
    this.cache = openCache(cacheOptions);
  }

  /**
   * Chooses a device and starts its engine.
   *
   * Fails with `no-webgpu` when WebGPU was asked for and cannot be used, `worker-failed` when the worker does not
   * start, `not-found` or `network` when the engine's files cannot be fetched, `aborted` by the signal.
   */
  static async create(options: CreateOptions = {}): Promise<Lexigraft> {
    const { device = "auto", wasmUrl = {}, threads, cache = true, hub, signal } = options;
    if (device !== "auto" && device !== "cpu" && device !== "webgpu") {
      throw new LexigraftError(
        "invalid-argument",
        `There is no device "${String(device)}": use auto, cpu or webgpu.`,
      );
    }
    if (threads !== undefined && !(Number.isInteger(threads) && threads >= 1 && threads <= 64)) {
      throw new LexigraftError("invalid-argument", "threads must be a whole number from 1 to 64.");
    }
    throwIfAborted(signal);
    const base = hub === undefined ? {} : { hub: resolveHub(hub) };
    const client = new EngineClient(await openChannel(options));
    try {
      const params = {
        device,
        wasmUrl: {
          ...(wasmUrl.cpu === undefined ? {} : { cpu: resolveUrl(wasmUrl.cpu) }),
          ...(wasmUrl.cpuThreads === undefined ? {} : { cpuThreads: resolveUrl(wasmUrl.cpuThreads) }),
          ...(wasmUrl.gpu === undefined ? {} : { gpu: resolveUrl(wasmUrl.gpu) }),
          ...(wasmUrl.grammar === undefined ? {} : { grammar: resolveUrl(wasmUrl.grammar) }),
        },
        ...(threads === undefined ? {} : { threads }),
        ...base,
        pageHasWebGpu: globalThis.navigator?.gpu !== undefined,
      };
      const info = await client.call("create", params, { signal });
      const cacheOptions = { ...base, ...(typeof cache === "object" ? cache : {}) };
      return new Lexigraft(client, info, cacheOptions, cache !== false);
    } catch (error) {
      // Not awaited: the caller wants to know what happened, not when the remains are gone.
      client.close().catch(() => undefined);
      throw error;
    }
  }

  /**
   * Loads a language model: a GGUF file, or a safetensors file with `tokenizer` and `config`.
   *
   * Fails with the code of what is wrong: `not-found`, `http`, `network` (getting the file), `storage` (no room
   * for it, with `whenFull: "fail"`), `integrity` (it is not the expected one), `bad-checkpoint`, `unsupported-…`, `tokenizer-missing` (reading it), `out-of-memory`, `aborted`.
   */
  async languageModel(source: Source, options: LanguageModelOptions = {}): Promise<LanguageModel> {
    const { tokenizer, config, contextLength } = options;
    const params = {
      ...this.#loadParams(source, options),
      ...(tokenizer === undefined ? {} : { tokenizer: toPortable(tokenizer, "tokenizer") }),
      ...(config === undefined ? {} : { config: toPortable(config, "config") }),
      ...(contextLength === undefined ? {} : { contextLength }),
    };
    const { handle, info } = await this.client.call("loadLanguageModel", params, {
      signal: options.signal,
      onEvent: tellUser(options),
      onLate: (late) => void release(this.client, late.handle),
    });
    return new LanguageModelClient(this.client, handle, info, this.#cacheName(options.cache));
  }

  /** Reads a `tokenizer.json`. Fails with `bad-tokenizer`, and as getting a file does. */
  async tokenizer(source: Source, options: TokenizerOptions = {}): Promise<Tokenizer> {
    const cache = this.#cacheName(options.cache);
    const params = {
      source: toPortable(source, "tokenizer"),
      ...(cache === undefined ? {} : { cache }),
    };
    const { handle, info } = await this.client.call("loadTokenizer", params, {
      signal: options.signal,
      onEvent: tellUser(options),
      onLate: (late) => void release(this.client, late.handle),
    });
    return new TokenizerClient(this.client, handle, info);
  }

  /** Loads an encoder from a model's directory, or from its three files. Fails as `languageModel` does. */
  async encoder(source: EncoderSource, options: EncoderOptions = {}): Promise<Encoder> {
    const files =
      typeof source === "string" || source instanceof URL
        ? {
            weights: fileIn(source, "model.safetensors"),
            tokenizer: fileIn(source, "tokenizer.json"),
            config: fileIn(source, "config.json"),
          }
        : source;
    const params = {
      ...this.#loadParams(files.weights, options),
      tokenizer: toPortable(files.tokenizer, "tokenizer"),
      config: toPortable(files.config, "config"),
    };
    const { handle, info } = await this.client.call("loadEncoder", params, {
      signal: options.signal,
      onEvent: tellUser(options),
      onLate: (late) => void release(this.client, late.handle),
    });
    return new EncoderClient(this.client, handle, info);
  }

  /**
   * One model of bytes of several language models of this Lexigraft, whatever their tokenizers. With one model it is
   * that model's own.
   */
  async ensemble(models: readonly LanguageModel[], options: EnsembleOptions = {}): Promise<ByteModel> {
    const handles = models.map((model) => {
      if (model instanceof LanguageModelClient) return model.handle;
      throw new LexigraftError("invalid-argument", "An ensemble is made of language models.");
    });
    return createByteModel(this.client, handles, options);
  }

  /** Loads a vision model: an ONNX or a safetensors file. Fails as `languageModel` does. */
  async vision(source: VisionSource, options: VisionOptions = {}): Promise<Vision> {
    const { handle, info } = await this.client.call("loadVision", this.#loadParams(source, options), {
      signal: options.signal,
      onEvent: tellUser(options),
      onLate: (late) => void release(this.client, late.handle),
    });
    return new VisionClient(this.client, handle, info);
  }

  /** What the engine itself takes: its memory, and its module. */
  async memory(): Promise<EngineMemory> {
    return this.client.call("memory", {});
  }

  /** Frees everything: models, device, worker. Calls under way fail with `disposed`. */
  dispose(): Promise<void> {
    return this.client.close();
  }

  [asyncDispose](): Promise<void> {
    return this.dispose();
  }

  #loadParams(weights: Source, options: LoadOptions): LoadParams {
    const { sha256, whenFull } = options;
    if (whenFull !== undefined && whenFull !== "memory" && whenFull !== "fail") {
      throw new LexigraftError("invalid-argument", "whenFull must be memory or fail.");
    }
    const cache = this.#cacheName(options.cache);
    return {
      weights: toPortable(weights, "model"),
      ...(sha256 === undefined ? {} : { sha256 }),
      ...(cache === undefined ? {} : { cache }),
      ...(whenFull === undefined ? {} : { whenFull }),
    };
  }

  /** The cache of a load; undefined for none. */
  #cacheName(wanted = this.caching): string | undefined {
    return wanted ? cacheName(this.cacheOptions) : undefined;
  }
}

function tellUser({ onProgress, onWarning }: LoadOptions): (event: LoadEvent) => void {
  return (event) => {
    if (event.type === "progress") callUser(onProgress, event.progress);
    else callUser(onWarning, event.warning);
  };
}
