/// <reference lib="esnext.disposable" preserve="true" />
import type { GraftedModel, GraftOptions, Segmentation, Tokenizer } from "./graft-types.js";

export type * from "./graft-types.js";

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

export interface CacheOptions {
  /** Directory of the cache in the origin's private file system. Default `"lexigraft"`. */
  name?: string;
  /** As of {@link CreateOptions}; `delete` finds files by it. */
  hub?: string | URL;
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

/** What a byte's probability is the sum of. */
export interface ByteModelOptions {
  /**
   * `"canonical"` (default): the token sequences that the tokenizer itself writes; exact, at about the price of
   * token-level decoding. `"all"`: every token sequence with these bytes; give a `beam`, or short texts.
   */
  estimand?: "canonical" | "all";
  /** For `"all"`: keep this many of the likeliest sequences. Default: all of them. */
  beam?: number;
}

/** How the models of an ensemble become one: means of probabilities, means of their logarithms, proxy tuning. */
export type Combination = "mixture" | "product" | "proxy";

export interface EnsembleOptions extends ByteModelOptions {
  /** Default `"mixture"`. `"proxy"` takes a base, an expert and an anti-expert. */
  combine?: Combination;
  /** Of a proxy: `base + alpha (expert - anti)`. Default 1. */
  alpha?: number;
}

/** Text, or bytes that need not be text. */
export type ByteText = string | Uint8Array;

/** One way in which tokens cover the end of a text. */
export interface Cover {
  /** Whole tokens after the trunk. */
  tokens: Uint32Array;
  /** The end of the text that the next token begins with. */
  pending: Uint8Array;
  /** Its share of the probability of the text, of 1. */
  share: number;
  /** The likeliest next tokens; each begins with `pending` and goes beyond it. */
  next: { id: number; share: number }[];
}

/** What comes after a text that may end anywhere, inside a token or a character too. */
export interface NextByte {
  /** Natural logarithms of the probabilities of the 256 bytes, and at 256 of the end of the text. */
  logProbs: Float32Array;
  /** How often the model was asked for a next token. */
  evaluations: number;
  /** Tokens that were run. */
  tokens: number;
  /** The tokens that are certain: every covering sequence begins with them. Empty for an ensemble. */
  trunk: Uint32Array;
  /** The covering sequences after the trunk, the likeliest first. Empty for an ensemble. */
  cover: Cover[];
}

export interface ByteScoreResult {
  /** Natural logarithm of the text's probability. */
  logProb: number;
  /** Of each byte after those before it. */
  perByte: Float32Array;
  bitsPerByte: number;
}

export interface ByteGenerateOptions {
  /** Most bytes to generate; a started character is finished. Default 512. */
  maxBytes?: number;
  /** 0 always takes the likeliest byte. Default 0.7. */
  temperature?: number;
  /** Sample among this many bytes; 0 for all. Default 0. */
  topK?: number;
  /** Sample among the likeliest bytes that together reach this probability. Default 0.95. */
  topP?: number;
  /** Drop bytes below this fraction of the likeliest one's probability. Default 0. */
  minP?: number;
  /** Same seed, same bytes, on the same device. Default: random, reported in the result. */
  seed?: number;
  /** Generate valid UTF-8 and hand out whole characters. Default true. */
  utf8?: boolean;
  /** What is generated must match this regular expression as a whole. With other constraints, all of them hold. */
  regex?: string;
  /**
   * What is generated must be JSON that satisfies this JSON schema: an object, or its text. Keys come in the
   * schema's order, and blanks where JSON has them. The first schema or grammar fetches a module that reads them.
   */
  jsonSchema?: object | string;
  /** What is generated must be derived from this grammar, in llguidance's variant of Lark, from the rule `start`. */
  grammar?: string;
  /**
   * Share of the probability that need not be looked into when bytes are drawn with another temperature than 1 or with
   * topK, topP or minP; without them draws are exact. At 0 their log-probabilities are too. Default 0.01.
   */
  tolerance?: number;
  signal?: AbortSignal;
}

/** `stop`: the model ended the text; `constraint`: the constraints allow nothing more. */
export type ByteFinishReason = "stop" | "max-bytes" | "context" | "constraint" | "aborted";

export interface BytePiece {
  /** May be empty: with `utf8`, a character is not complete yet. */
  bytes: Uint8Array;
  /** The bytes as text. */
  text: string;
  /** Natural logarithm of the chosen byte's probability. */
  logProb: number;
}

export interface ByteGenerateResult {
  bytes: Uint8Array;
  text: string;
  reason: ByteFinishReason;
  seed: number;
  evaluations: number;
  tokens: number;
  bytesPerSecond: number | undefined;
  totalMs: number;
}

/** A byte generation under way: as {@link Generation}, of bytes. */
export interface ByteGeneration extends AsyncIterable<BytePiece> {
  readonly result: Promise<ByteGenerateResult>;
  cancel(): void;
}

/**
 * A language model, or several with different tokenizers, as a model of bytes: prompts may be cut anywhere. One call
 * runs at a time, others wait. It shares the weights of its models and must be disposed before them.
 */
export interface ByteModel extends AsyncDisposable {
  /** `cover`: how many next tokens to list for each covering sequence; default 5. */
  nextByte(prefix: ByteText, options?: { cover?: number; signal?: AbortSignal }): Promise<NextByte>;
  /** Probability of each byte of a text, after a prefix. */
  score(text: ByteText, options?: { prefix?: ByteText } & ScoreOptions): Promise<ByteScoreResult>;
  generate(prompt: ByteText, options?: ByteGenerateOptions): ByteGeneration;
  dispose(): Promise<void>;
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
  /** One vector per text, each `info.hiddenSize` long. */
  embed(text: string | readonly string[], options?: { signal?: AbortSignal }): Promise<Float32Array[]>;
  tokenize(text: string): Promise<Uint32Array>;
  dispose(): Promise<void>;
}

/** An address that ends in the file, or the file itself: ONNX, or safetensors. */
export type VisionSource = Source;

export type VisionOptions = LoadOptions;

/** A way to prune or merge patches. */
export interface ReductionMethod {
  readonly name: string;
  /** One line for people. */
  readonly summary: string;
  /** It merges a few tokens in every block, rather than pruning in a few of them. */
  readonly gradual: boolean;
}

export interface VisionInfo {
  architecture: string;
  hiddenSize: number;
  layers: number;
  heads: number;
  /** Side of a patch in pixels. */
  patchSize: number;
  /** The longest side of a picture, in pixels. */
  maxSize: number;
  registerTokens: number;
  /** Whether `see` gives a heat map. */
  hasSaliency: boolean;
  residentBytes: number;
  fileBytes: number;
  methods: readonly ReductionMethod[];
}

/** Values as the model takes them: three channels, each row by row, normalised. */
export interface PictureValues {
  values: Float32Array;
  width: number;
  height: number;
}

/** A picture file, its address, or anything that a page can draw. */
export type PictureSource = Source | ImageBitmapSource | PictureValues;

/** Which patches go, and when. Give at most one of `r`, `keep`, `count` and `macs`. */
export interface Reduction {
  /** One of `info.methods`. */
  method: string;
  /** Tokens merged in each block. */
  r?: number;
  /** From -1 to 1: tilts `r` towards earlier or later blocks. */
  inflect?: number;
  /** The share of the tokens that stays, from 0 to 1, in each of `layers`. */
  keep?: number;
  /** Tokens that stay in each of `layers`. */
  count?: number;
  /** The share of the dense run's multiply-accumulates that is not to be exceeded. */
  macs?: number;
  /** Blocks that reduce, counted from 0. */
  layers?: readonly number[];
  /** For the methods that draw. */
  seed?: number;
}

export interface SeeOptions {
  /** Side of the square that the model sees, in pixels: a multiple of the patch. Default 224. */
  size?: number;
  /** `center`: the square in the middle (default); `pad`: all of it, with black beside. */
  crop?: "center" | "pad";
  /** A reduction, or its text, such as `"tome:r=16"`. Default: none. */
  reduce?: Reduction | string;
  signal?: AbortSignal;
  /** In blocks. */
  onProgress?: (progress: { done: number; total: number }) => void;
}

/** What a picture became. */
export interface Seen {
  /** The vector of the whole picture, `info.hiddenSize` long. */
  embedding: Float32Array;
  /** The vectors of all patches, row by row, each `info.hiddenSize` long. */
  patches: Float32Array;
  /** Patches on a side. */
  rows: number;
  columns: number;
  /** How salient each pixel is, from 0 to 1, row by row. */
  heat?: Float32Array;
  /** Pixels on a side. */
  width: number;
  height: number;
  /** Of each block, before and after its reduction. */
  tokens: { before: number; after: number }[];
  /** After each block, for each patch the token that stands for it, or -1 when it was dropped. */
  maps: Int32Array[];
  /** Multiply-accumulates of the blocks, and what they are without reduction. */
  macs: number;
  denseMacs: number;
  /** Milliseconds of the blocks, choosing and merging tokens included. */
  backboneMs: number;
  /** Of that, choosing and merging tokens. */
  reduceMs: number;
  /** Milliseconds from pixels to heat map. */
  totalMs: number;
  /** The square that the model saw, four bytes a pixel; absent for `PictureValues`. */
  pixels?: Uint8ClampedArray;
  /** Where the picture lies in that square. */
  frame?: { left: number; top: number; width: number; height: number };
}

/** A model that turns pictures into vectors, and shows where one would look. */
export interface Vision extends AsyncDisposable {
  readonly info: Readonly<VisionInfo>;
  /**
   * Sees a picture. Fails with `not-an-image`, `empty-image`, `image-too-large`, `animated-image`, `cmyk-image`,
   * `unknown-method`, `invalid-argument` (a size or a setting that does not fit), `aborted`.
   */
  see(source: PictureSource, options?: SeeOptions): Promise<Seen>;
  dispose(): Promise<void>;
}

export interface CacheEntry {
  url: string;
  bytes: number;
  sha256: string;
  /** ISO 8601. */
  storedAt: string;
}

/** How much is stored. */
export interface CacheUsage {
  /** Bytes of the files that `list` tells. */
  bytes: number;
  /** Bytes of downloads that were cut: loading the same address goes on with them, within a week. */
  unfinishedBytes: number;
  /** Bytes that all of this origin stores, as the browser estimates. Absent where it does not. */
  originBytes?: number;
  /** Bytes that this origin may store in all. Absent where the browser does not tell. */
  quotaBytes?: number;
}

/** The downloaded files of this origin. */
export interface ModelCache {
  /** Newest first; empty where the browser has no private file system. */
  list(): Promise<CacheEntry[]>;
  usage(): Promise<CacheUsage>;
  /** Resolves whether or not the address was cached. */
  delete(url: string | URL): Promise<void>;
  clear(): Promise<void>;
}
