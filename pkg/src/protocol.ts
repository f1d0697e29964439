/** What the page and the engine say to each other, through a worker's messages or directly. */
import type { ErrorRecord } from "./errors.js";
import type { ConstraintText } from "./grammar-module.js";
import type { PortablePicture } from "./picture.js";
import type { PortableSource } from "./source.js";
import type {
  ByteFinishReason,
  ByteModelOptions,
  ChatMessage,
  Combination,
  DeviceInfo,
  DeviceKind,
  EncoderInfo,
  EngineMemory,
  FinishReason,
  GraftProgress,
  GraftReport,
  LanguageModelInfo,
  LoadProgress,
  LoadWarning,
  ScoreResult,
  Seen,
  Segmentation,
  TokenizerInfo,
  VisionInfo,
} from "./types.js";
import type {
  WasmByteGenerateOptions,
  WasmGenerateOptions,
  WasmNextByte,
  WasmSeeOptions,
} from "./wasm-module.js";

/** A model in the engine. */
export type Handle = number;

/** The engine's modules, as `wasmUrl` names them. */
export type EngineModule = "cpu" | "cpuThreads" | "gpu";

export interface CreateParams {
  device: "auto" | DeviceKind;
  wasmUrl: { [module in EngineModule | "grammar"]?: string };
  /** Where `hf:` addresses point. Undefined: the usual hub. */
  hub?: string;
  /** Undefined: as many as serve. */
  threads?: number;
  /** The page sees WebGPU; the worker it starts may not. */
  pageHasWebGpu: boolean;
}

export interface LoadParams {
  weights: PortableSource;
  sha256?: string;
  /** Name of the cache; undefined for none. */
  cache?: string;
  whenFull?: "memory" | "fail";
}

export type LoadEvent =
  | { type: "progress"; progress: LoadProgress }
  | { type: "warning"; warning: LoadWarning };

export interface GraftParams {
  handle: Handle;
  /** A file, or a tokenizer that is loaded. */
  tokenizer: PortableSource | Handle;
  method: string;
  hypernetwork?: PortableSource;
  lossy: boolean;
  /** Name of the cache; undefined for none. */
  cache?: string;
}

export interface ExportedFile {
  name: string;
  content: Blob;
}

export type GraftEvent =
  | { type: "progress"; progress: GraftProgress }
  | { type: "warning"; warning: LoadWarning };

export type GenerateEvent =
  | { type: "prefill"; done: number; total: number }
  | { type: "piece"; text: string; id: number; logProb?: number };

export interface GenerateEnd {
  reason: FinishReason;
  /** Text held back until the end. */
  text: string;
  /** Undefined when aborted: then the pieces are all there is. */
  ids?: Uint32Array;
  promptIds: Uint32Array;
  /** Milliseconds from the first token to the last. */
  decodeMs: number;
}

export interface ByteGenerateEnd {
  reason: ByteFinishReason;
  evaluations: number;
  tokens: number;
}

interface Method<Params, Result, Event = never> {
  params: Params;
  result: Result;
  event: Event;
}

/** Every call the page can make. */
export interface Methods {
  create: Method<CreateParams, DeviceInfo>;
  memory: Method<Record<string, never>, EngineMemory>;
  loadLanguageModel: Method<
    LoadParams & { tokenizer?: PortableSource; config?: PortableSource; contextLength?: number },
    { handle: Handle; info: LanguageModelInfo },
    LoadEvent
  >;
  loadEncoder: Method<
    LoadParams & { tokenizer: PortableSource; config: PortableSource },
    { handle: Handle; info: EncoderInfo },
    LoadEvent
  >;
  loadVision: Method<LoadParams, { handle: Handle; info: VisionInfo }, LoadEvent>;
  release: Method<{ handle: Handle }, null>;
  loadTokenizer: Method<
    { source: PortableSource; cache?: string },
    { handle: Handle; info: TokenizerInfo },
    LoadEvent
  >;
  tokenize: Method<{ handle: Handle; text: string; addSpecial: boolean }, Uint32Array>;
  detokenize: Method<{ handle: Handle; ids: Uint32Array }, string>;
  tokenText: Method<{ handle: Handle; ids: Uint32Array }, string[]>;
  segment: Method<{ handle: Handle; text: string }, Segmentation>;
  graft: Method<GraftParams, { handle: Handle; info: LanguageModelInfo; report: GraftReport }, GraftEvent>;
  export: Method<
    { handle: Handle; format: "gguf" | "safetensors" },
    ExportedFile[],
    { done: number; total: number }
  >;
  applyChatTemplate: Method<
    { handle: Handle; messages: ChatMessage[]; addGenerationPrompt: boolean },
    string
  >;
  generate: Method<
    { handle: Handle; prompt: string | ChatMessage[]; options: WasmGenerateOptions },
    GenerateEnd,
    GenerateEvent
  >;
  score: Method<{ handle: Handle; text: string }, ScoreResult, { done: number; total: number }>;
  logits: Method<{ handle: Handle; ids: Uint32Array }, Float32Array>;
  byteModel: Method<
    {
      /** Language models; more than one are combined. */
      models: Handle[];
      options: ByteModelOptions;
      combine: Combination;
      alpha: number;
    },
    { handle: Handle }
  >;
  nextByte: Method<{ handle: Handle; prefix: Uint8Array; cover: number }, WasmNextByte>;
  scoreBytes: Method<
    { handle: Handle; prefix: Uint8Array; text: Uint8Array },
    Float32Array,
    { done: number; total: number }
  >;
  generateBytes: Method<
    {
      handle: Handle;
      prompt: Uint8Array;
      options: WasmByteGenerateOptions;
      /** Besides the regular expression of the options. */
      constraints: ConstraintText[];
    },
    ByteGenerateEnd,
    { bytes: Uint8Array; logProb: number }
  >;
  embed: Method<{ handle: Handle; texts: string[] }, Float32Array[]>;
  tokenizeForEncoder: Method<{ handle: Handle; text: string }, Uint32Array>;
  see: Method<
    { handle: Handle; picture: PortablePicture; options: WasmSeeOptions },
    Seen,
    { done: number; total: number }
  >;
}

export type MethodName = keyof Methods;
export type Params<M extends MethodName> = Methods[M]["params"];
export type Result<M extends MethodName> = Methods[M]["result"];
export type Event<M extends MethodName> = Methods[M]["event"];

/** Page to engine. */
export type ClientMessage =
  | { [M in MethodName]: { type: "call"; id: number; method: M; params: Params<M> } }[MethodName]
  | { type: "cancel"; id: number };

/** Engine to page. Events of a call come before its result or error, which is the last message of its id. */
export type HostMessage =
  | { type: "event"; id: number; event: Event<MethodName> }
  | { type: "result"; id: number; value: Result<MethodName> }
  | { type: "error"; id: number; error: ErrorRecord };

/** The buffers of a result that can move to the page without a copy. */
export function transferables(value: unknown): Transferable[] {
  if (Array.isArray(value)) return value.flatMap(transferables);
  if (ArrayBuffer.isView(value)) {
    // A view of the engine's own memory must be copied; only arrays that own their buffer may move.
    const whole = value.byteLength === value.buffer.byteLength;
    return whole && value.buffer instanceof ArrayBuffer ? [value.buffer] : [];
  }
  if (typeof value === "object" && value !== null) return Object.values(value).flatMap(transferables);
  return [];
}
