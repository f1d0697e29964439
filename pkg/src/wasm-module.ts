/**
 * The surface of the engine, as `wasm-bindgen` exports it. Written by hand so that the package compiles before the
 * engine is built; `cpu`, `cpu-threads` and `gpu` are modules with this same surface.
 */
import type {
  ByteFinishReason,
  ByteModelOptions,
  ChatMessage,
  Combination,
  DeviceKind,
  EncoderInfo,
  GraftReport,
  LanguageModelInfo,
  Seen,
  Segmentation,
  VisionInfo,
} from "./types.js";

export interface WasmModule {
  default(options: {
    module_or_path: Response | WebAssembly.Module;
    memory?: WebAssembly.Memory;
  }): Promise<unknown>;
  createEngine(): Promise<WasmEngine>;
  /** The bytes of an allocation that failed and ended the engine, else 0. */
  failedAllocation?(): number;
  /** Takes the models over. */
  byteEnsemble(models: WasmByteModel[], combine: Combination, alpha: number): WasmByteModel;
  Sha256: new () => WasmSha256;
  /** Reads a `tokenizer.json`. */
  readTokenizer(json: Blob): Promise<WasmTokenizer>;
  /** Throws what a picture file's header tells against it. */
  checkPicture(bytes: Uint8Array): void;
  /** These are in the threaded module only. */
  threadModule?(): WebAssembly.Module;
  threadMemory?(): WebAssembly.Memory;
  expectHelper?(): void;
  help?(): void;
}

export interface WasmSha256 {
  update(bytes: Uint8Array): void;
  /** Finishes the hash. */
  hex(): string;
  free(): void;
}

/** Returning false stops the work with `aborted`. */
export type WasmProgress = (done: number, total: number) => boolean;

/** As {@link WasmProgress}, of several things; a promise is waited for where that is possible. */
export type WasmPhases = (
  phase: "source" | "tokenizer" | "prepare" | "rows" | "move" | "write",
  done: number,
  total: number,
) => boolean | Promise<boolean>;

export interface WasmTokenizer {
  vocabSize(): number;
  /** Undefined where texts come back as they were. */
  loss(): string | undefined;
  tokenize(text: string, addSpecial: boolean): Uint32Array;
  detokenize(ids: Uint32Array): string;
  tokenText(ids: Uint32Array): string[];
  segment(text: string): Segmentation;
  free(): void;
}

export interface WasmEngine {
  info(): { kind: DeviceKind; adapter: string; selfTest: string };
  loadLanguageModel(
    weights: Blob,
    options: { tokenizer?: Blob; config?: Blob; contextLength?: number },
    onProgress: WasmProgress,
  ): Promise<WasmLanguageModel>;
  loadEncoder(
    weights: Blob,
    options: { tokenizer: Blob; config: Blob },
    onProgress: WasmProgress,
  ): Promise<WasmEncoder>;
  loadVision(weights: Blob, onProgress: WasmProgress): Promise<WasmVision>;
  memory(): { wasmBytes: number };
  free(): void;
}

export interface WasmGenerateOptions {
  maxTokens: number;
  temperature: number;
  topK: number;
  topP: number;
  minP: number;
  repetitionPenalty: number;
  seed: number;
  stop: string[];
  logProbs: boolean;
  addSpecial: boolean;
  lookahead?: number;
}

export interface WasmScore {
  bitsPerByte: number;
  tokens: number;
  bytes: number;
  tokenNll: Float32Array;
  ids: Uint32Array;
}

export interface WasmLanguageModel {
  info(): LanguageModelInfo;
  tokenize(text: string, addSpecial: boolean): Uint32Array;
  detokenize(ids: Uint32Array): string;
  tokenText(ids: Uint32Array): string[];
  segment(text: string): Segmentation;
  /** Takes nothing over: the tokenizer may be freed at once. */
  graft(
    tokenizer: WasmTokenizer,
    method: string,
    hypernetwork: Blob | undefined,
    lossy: boolean,
    onProgress: WasmPhases,
  ): Promise<WasmLanguageModel>;
  /** Null of a model that is no graft. */
  graftReport(): GraftReport | null | undefined;
  export(format: string, onProgress: WasmPhases): Promise<[name: string, content: Blob][]>;
  applyChatTemplate(messages: ChatMessage[], addGenerationPrompt: boolean): string;
  generate(prompt: string, options: WasmGenerateOptions): WasmGeneration;
  byteModel(options: ByteModelOptions): WasmByteModel;
  logits(ids: Uint32Array): Promise<Float32Array>;
  score(
    text: string,
    onProgress: (...args: Parameters<WasmProgress>) => Promise<boolean>,
  ): Promise<WasmScore>;
  free(): void;
}

export type WasmStep =
  | { kind: "prefill"; done: number; total: number }
  | { kind: "piece"; text: string; id: number; logProb?: number }
  | {
      kind: "end";
      reason: "stop-token" | "stop-string" | "max-tokens" | "context";
      text: string;
      promptIds: Uint32Array;
      ids: Uint32Array;
      prefillMs: number;
      decodeMs: number;
    };

export interface WasmGeneration {
  next(): Promise<WasmStep>;
  /** Gives the key-value cache back: the model is free again. */
  free(): void;
}

export interface WasmEncoder {
  info(): EncoderInfo;
  embed(texts: string[]): Promise<Float32Array[]>;
  tokenize(text: string): Uint32Array;
  free(): void;
}

/** A way to cover the end of a text. */
export interface WasmCover {
  tokens: Uint32Array;
  pending: Uint8Array;
  share: number;
  nextIds: Uint32Array;
  nextShares: Float64Array;
}

export interface WasmNextByte {
  logProbs: Float32Array;
  evaluations: number;
  tokens: number;
  trunk: Uint32Array;
  cover: WasmCover[];
}

export interface WasmByteGenerateOptions {
  maxBytes: number;
  temperature: number;
  topK: number;
  topP: number;
  minP: number;
  seed: number;
  utf8: boolean;
  tolerance: number;
  regex?: string;
}

/** What the engine asks from inside, so that no method may throw. */
export interface WasmByteConstraint {
  /** 257 places: 1 for each byte that may come, and at 256 for an end. */
  allowed(): Uint8Array;
  advance(byte: number): void;
  /** What to call it in messages. */
  name(): string;
  fork(): WasmByteConstraint;
  /** May come more than once. */
  free(): void;
}

export interface WasmByteModel {
  nextByte(prefix: Uint8Array, cover: number): Promise<WasmNextByte>;
  score(
    prefix: Uint8Array,
    text: Uint8Array,
    onProgress: (...args: Parameters<WasmProgress>) => Promise<boolean>,
  ): Promise<Float32Array>;
  generate(
    prompt: Uint8Array,
    options: WasmByteGenerateOptions,
    onBytes: (bytes: Uint8Array, logProb: number) => Promise<boolean>,
    constraints: WasmByteConstraint[],
  ): Promise<{ reason: ByteFinishReason; seed: number; evaluations: number; tokens: number }>;
  free(): void;
}

export interface WasmSeeOptions {
  size: number;
  crop: "center" | "pad";
  reduce?: string;
}

export interface WasmVision {
  info(): VisionInfo;
  see(
    rgba: Uint8Array,
    width: number,
    height: number,
    options: WasmSeeOptions,
    onProgress: (...args: Parameters<WasmProgress>) => Promise<boolean>,
  ): Promise<Seen>;
  seeValues(
    values: Float32Array,
    width: number,
    height: number,
    options: WasmSeeOptions,
    onProgress: (...args: Parameters<WasmProgress>) => Promise<boolean>,
  ): Promise<Seen>;
  free(): void;
}
