/// <reference lib="esnext.disposable" preserve="true" />
import type { LanguageModel, LoadOptions, LoadWarning, Source, TokenIds } from "./types.js";

/** A text as a tokenizer cuts it, without special tokens around it. */
export interface Segmentation {
  ids: Uint32Array;
  /** Where each token ends, in bytes of the text's UTF-8; a token may end inside a character. */
  ends: Uint32Array;
}

export type TokenizerOptions = Omit<LoadOptions, "sha256">;

export interface TokenizerInfo {
  /** One past the greatest id. */
  vocabSize: number;
  /** What texts lose in it, in words; undefined where they come back as they were. */
  loss: string | undefined;
}

/** A tokenizer without a model. */
export interface Tokenizer extends AsyncDisposable {
  readonly info: Readonly<TokenizerInfo>;
  tokenize(text: string, options?: { addSpecial?: boolean }): Promise<Uint32Array>;
  detokenize(ids: TokenIds): Promise<string>;
  /** One display text per token. */
  tokenText(ids: TokenIds): Promise<string[]>;
  /** The tokens of a text and where each ends. */
  segment(text: string): Promise<Segmentation>;
  dispose(): Promise<void>;
}

/** How the rows of tokens that the model does not have are made; docs/graft.md measures each. */
export type GraftMethod =
  | "zero"
  | "mean"
  | "fvt"
  | "hypernetwork"
  | "zero+first-piece"
  | "mean+first-piece"
  | "fvt+first-piece"
  | "hypernetwork+first-piece";

export interface GraftProgress {
  /**
   * `download`, `verify`: bytes of the tokenizer's and the hypernetwork's files; `source`: bytes of the model's own
   * rows; `tokenizer`: its tokens are compared; `prepare`: contexts that the model is asked about; `rows`: tokens
   * that have their rows; `move`: bytes of rows on the device.
   */
  phase: "download" | "verify" | "source" | "tokenizer" | "prepare" | "rows" | "move";
  done: number;
  /** Undefined when the server did not say. */
  total: number | undefined;
}

export interface GraftOptions {
  /** Default `"fvt"`, the mean of a token's pieces. */
  method?: GraftMethod;
  /** Made for this very model; `hypernetwork` needs it. */
  hypernetwork?: Source;
  /** Take a tokenizer that does not give texts back as they were. Default false: `unsupported-tokenizer`. */
  lossy?: boolean;
  /** `false` leaves the cache of files alone. Default: what `Lexigraft.create` was told. */
  cache?: boolean;
  onProgress?: (progress: GraftProgress) => void;
  onWarning?: (warning: LoadWarning) => void;
  signal?: AbortSignal;
}

/** What became of the tokens of a graft. */
export interface GraftReport {
  method: string;
  tokens: number;
  /** Text tokens that keep a row of the model, bit for bit. */
  shared: number;
  /** Control tokens that keep one. */
  special: number;
  /** Tokens whose rows the method made. */
  made: number;
}

export interface ExportOptions {
  /** Default `"gguf"`: one file. `"safetensors"`: four, as Hugging Face transformers loads them. */
  format?: "gguf" | "safetensors";
  /** In bytes. */
  onProgress?: (progress: { done: number; total: number }) => void;
  signal?: AbortSignal;
}

/** A model under another tokenizer. */
export interface GraftedModel extends LanguageModel {
  readonly report: Readonly<GraftReport>;
  /**
   * The model as files that other runtimes load. The browser keeps their bytes, not the engine. Fails with
   * `invalid-argument` where the format cannot hold the model (GGUF: methods with `+first-piece`, or a model that was
   * not loaded from GGUF), `unsupported-tokenizer` where GGUF has no name for the tokenizer.
   */
  export(options?: ExportOptions): Promise<File[]>;
}
