/// <reference lib="esnext.disposable" preserve="true" />
import type { ByteModel, ByteModelOptions } from "./byte-types.js";
import type { CacheOptions } from "./cache-types.js";
import type { GraftedModel, GraftOptions, Segmentation, Tokenizer } from "./graft-types.js";

export type * from "./byte-types.js";
export type * from "./cache-types.js";
export type * from "./graft-types.js";
export type * from "./vision-types.js";

/**
 * Where a file comes from: an address, a file the user picked, or bytes already in memory. Files on the Hugging Face
 * hub are also `hf:owner/repo/file` and `hf:owner/repo@revision/file`.
 */
export type Source = string | URL | Blob | ArrayBuffer | Uint8Array;

export type DeviceKind = "cpu" | "webgpu";

/** The device an engine runs on. */
export interface DeviceInfo {
  readonly kind: DeviceKind;
  /** Name of the adapter, or of the CPU path. */
  readonly adapter: string;
  /** One plain sentence: why this device and not another. */
  readonly reason: string;
  /** True when the "GPU" is a program running on the CPU. */
  readonly software: boolean;
  /** Threads that compute on the CPU. */
  readonly threads: number;
}

/** The size of an engine's module. */
export interface ModuleSize {
  /** As it runs. */
  bytes: number;
  /** As it was stored or sent: less where the server compressed it. */
  encodedBytes: number;
}

export interface EngineMemory {
  /** Bytes the engine's memory has grown to. It never shrinks, but is reused. */
  wasmBytes: number;
  /** Undefined where the browser does not tell. */
  module?: ModuleSize;
}

export interface CreateOptions {
  /** Default `"auto"`: WebGPU when a hardware adapter passes the self-test, else the CPU. */
  device?: "auto" | DeviceKind;
  /**
   * Default `true`: the engine runs in a worker and never blocks the page. `false` runs it in the page. A function
   * makes the worker itself (its script must be `lexigraft/worker`), for bundlers that need it done their way.
   */
  worker?: boolean | (() => Worker);
  /**
   * Where a copy of the package's `dist/worker.js` is, for bundlers that do not follow the address in the package. Its
   * folder holds the rest of `dist`. It may be on another origin that allows this page (CORS).
   */
  workerUrl?: URL | string;
  /** Where the engine's `.wasm` files are, when they do not lie beside the package's scripts. */
  wasmUrl?: { cpu?: URL | string; cpuThreads?: URL | string; gpu?: URL | string; grammar?: URL | string };
  /**
   * Threads of the CPU engine. Default: the processor's, at most 8. More than one need a cross-origin isolated page and
   * an engine in a worker; elsewhere there is one, and `device.reason` says why.
   */
  threads?: number;
  /** Keep downloaded files in the origin's private file system. Default `true`. */
  cache?: boolean | CacheOptions;
  /** Where `hf:` addresses point: the hub, or a mirror of it. Default `https://huggingface.co`. */
  hub?: string | URL;
  signal?: AbortSignal;
}

/** Which file of a model an event is about. */
export type ModelFile = "weights" | "tokenizer" | "config" | "hypernetwork";

export interface LoadProgress {
  /** `download`: bytes from the network; `verify`: bytes hashed; `load`: bytes of the file given to the device. */
  phase: "download" | "verify" | "load";
  /** Files are fetched in the order tokenizer, config, weights; most models have weights only. */
  file: ModelFile;
  /** Bytes so far. */
  loaded: number;
  /** Bytes in all; undefined when the server did not say. */
  total: number | undefined;
  /** True when the file came from the cache. */
  fromCache: boolean;
}

/** Something that did not go as well as it could, while the work went on. */
export interface LoadWarning {
  /**
   * `cache-unavailable`: the file was kept in memory only; `cache-full`: the same, for want of room;
   * `cache-damaged`: a cached file failed its check and was downloaded again; `connection-cut`: the download is tried
   * again, from where it ended if the server can do that.
   */
  code: "cache-unavailable" | "cache-full" | "cache-damaged" | "connection-cut";
  message: string;
  /** Of `cache-full`: bytes that were to be stored, where the server told. */
  needed?: number;
  /** Of `cache-full`: bytes that the browser has room for, where it tells. */
  available?: number;
}

export interface LoadOptions {
  /** SHA-256 of the weights file, 64 hexadecimal digits. A file that differs is refused with `integrity`. */
  sha256?: string;
  /** `false` leaves the cache alone for this load. Default: what `Lexigraft.create` was told. */
  cache?: boolean;
  /**
   * What to do when the browser's storage has no room for the file: keep it in memory, with the warning `cache-full`,
   * or fail with `storage`, whose `details` are the bytes `needed` and `available`. Default `"memory"`.
   */
  whenFull?: "memory" | "fail";
  onProgress?: (progress: LoadProgress) => void;
  onWarning?: (warning: LoadWarning) => void;
  signal?: AbortSignal;
}

export interface LanguageModelOptions extends LoadOptions {
  /** A `tokenizer.json`. Not needed for GGUF files, which carry their own. */
  tokenizer?: Source;
  /** A `config.json`. Needed for safetensors files only. */
  config?: Source;
  /** Most tokens of prompt and answer together. Default: the engine's choice, at most the model's own limit. */
  contextLength?: number;
}

export interface LanguageModelInfo {
  architecture: string;
  name: string;
  parameters: number;
  layers: number;
  hiddenSize: number;
  vocabSize: number;
  /** Tokens. */
  contextLength: number;
  quantization: string;
  fileBytes: number;
  residentBytes: number;
  hasChatTemplate: boolean;
}

export interface EncoderInfo {
  architecture: string;
  name: string;
  parameters: number;
  hiddenSize: number;
  /** Most tokens of one text; longer texts are cut. */
  maxLength: number;
  residentBytes: number;
  fileBytes: number;
}

export interface ChatMessage {
  role: string;
  content: string;
}

/** Token ids: what `tokenize` returns, or a plain array. */
export type TokenIds = Uint32Array | readonly number[];

export interface GenerateOptions {
  /** Most tokens to generate. Default 128. */
  maxTokens?: number;
  /** 0 always takes the likeliest token. Default 0.7. */
  temperature?: number;
  /** Sample among this many tokens; 0 for all. Default 40. */
  topK?: number;
  /** Sample among the likeliest tokens that together reach this probability. Default 0.95. */
  topP?: number;
  /** Drop tokens below this fraction of the likeliest one's probability. Default 0. */
  minP?: number;
  /** Above 1 makes tokens seen before less likely. Default 1. */
  repetitionPenalty?: number;
  /** Same seed, same text, on the same device. Default: random, reported in the result. */
  seed?: number;
  /** Stop before any of these texts. */
  stop?: string[];
  /** Report the natural logarithm of each chosen token's probability. */
  logProbs?: boolean;
  /** Let the tokenizer add its special tokens to the prompt. Default true; always false for `chat`. */
  addSpecial?: boolean;
  /**
   * With temperature 0 on WebGPU: how many tokens the device chooses before it is asked which, 1 to 16. They come
   * all at once then, and the device never waits for the page. By default 4 on a graphics card, 1 in software.
   */
  lookahead?: number;
  signal?: AbortSignal;
  /** Called as the prompt is read, in tokens. */
  onPrefill?: (progress: { done: number; total: number }) => void;
}

/** One generated token, with the text that became certain with it. */
export interface Piece {
  /** May be empty: a character, or what may be a stop text, is not complete yet. */
  text: string;
  id: number;
  /** Natural logarithm of the token's probability; with `logProbs: true` only. */
  logProb?: number;
  /**
   * Set on a closing piece that is no new token: it brings text held back until the end, and repeats the last id.
   * The texts of all pieces joined are always `result.text`.
   */
  tail?: true;
}

export type FinishReason = "stop-token" | "stop-string" | "max-tokens" | "context" | "aborted";

export interface GenerateResult {
  text: string;
  /** The generated tokens. */
  ids: Uint32Array;
  /** The prompt's tokens; empty when the generation ended before the prompt was read. */
  promptIds: Uint32Array;
  reason: FinishReason;
  /** The seed that was used. */
  seed: number;
  /** Milliseconds from the call to the first token; undefined when there was none. */
  timeToFirstTokenMs: number | undefined;
  /** Tokens after the first one, over the time from the first to the last; undefined below two tokens. */
  tokensPerSecond: number | undefined;
  /** Milliseconds from the call to the end. */
  totalMs: number;
  /** One per token of `ids`; with `logProbs: true` only. */
  logProbs?: number[];
}

/**
 * A generation under way. It starts at the call and runs whether or not anyone reads it.
 *
 * Leaving a `for await` over it early cancels it. When it fails, the iterator and `result` both throw; when it is
 * aborted, the iterator throws `aborted` and `result` resolves with what was generated so far. A `result` that
 * nobody awaits never becomes an unhandled rejection.
 */
export interface Generation extends AsyncIterable<Piece> {
  readonly result: Promise<GenerateResult>;
  /** Stops the generation, as aborting its signal would. */
  cancel(): void;
}

export interface ScoreOptions {
  signal?: AbortSignal;
  /** In tokens. */
  onProgress?: (progress: { done: number; total: number }) => void;
}

export interface ScoreResult {
  /** How well the model predicts the text; lower is better, comparable across tokenizers. */
  bitsPerByte: number;
  tokens: number;
  /** UTF-8 bytes of the text. */
  bytes: number;
  /** Negative log-likelihood of each token in nats; the first token is not scored. */
  tokenNll: Float32Array;
  ids: Uint32Array;
}

/** A model that writes text. One generation runs at a time; a second call meanwhile fails with `busy`. */
export interface LanguageModel extends AsyncDisposable {
  readonly info: Readonly<LanguageModelInfo>;
  tokenize(text: string, options?: { addSpecial?: boolean }): Promise<Uint32Array>;
  detokenize(ids: TokenIds): Promise<string>;
  /** One display text per token. */
  tokenText(ids: TokenIds): Promise<string[]>;
  /** The tokens of a text and where each ends. */
  segment(text: string): Promise<Segmentation>;
  /** The prompt that `chat` would use. `addGenerationPrompt` defaults to true. */
  applyChatTemplate(messages: ChatMessage[], options?: { addGenerationPrompt?: boolean }): Promise<string>;
  /** Continues a prompt. */
  generate(prompt: string, options?: GenerateOptions): Generation;
  /** Answers a conversation, through the model's chat template. */
  chat(messages: ChatMessage[], options?: GenerateOptions): Generation;
  /** Bits per byte of a text under the model. */
  score(text: string, options?: ScoreOptions): Promise<ScoreResult>;
  /** The scores (before softmax) of every token of the vocabulary as the next one after `ids`. */
  logits(ids: TokenIds): Promise<Float32Array>;
  /** The model of bytes that this model stands for. */
  bytes(options?: ByteModelOptions): Promise<ByteModel>;
  /**
   * A second model: this one's layers, which are shared and not copied, under the tokens of another tokenizer, given
   * as a `tokenizer.json` or as a {@link Tokenizer} of the same Lexigraft. Both may be used beside each other, and
   * disposed in any order.
   *
   * Fails with `bad-tokenizer`, `unsupported-tokenizer` (texts would lose something), `wrong-base-model` (the
   * hypernetwork was made for another model), `invalid-argument` (no such method, no hypernetwork, or the model is a
   * graft itself), `out-of-memory`, `aborted`, and as loading does.
   */
  graft(tokenizer: Source | Tokenizer, options?: GraftOptions): Promise<GraftedModel>;
  /** Frees the model. A generation still running is cancelled. */
  dispose(): Promise<void>;
}

/** An address that ends in `/model.safetensors`, `/tokenizer.json`, `/config.json`, or the three files themselves. */
export type EncoderSource = string | URL | { weights: Source; tokenizer: Source; config: Source };

export type EncoderOptions = LoadOptions;

/** A model that turns text into vectors of length 1. */
export interface Encoder extends AsyncDisposable {
  readonly info: Readonly<EncoderInfo>;
  /**
   * One vector per text, each `info.hiddenSize` long. Give all texts at once: those of as many tokens run together,
   * and the engine can be stopped between batches of at most 64.
   */
  embed(text: string | readonly string[], options?: { signal?: AbortSignal }): Promise<Float32Array[]>;
  tokenize(text: string): Promise<Uint32Array>;
  dispose(): Promise<void>;
}
