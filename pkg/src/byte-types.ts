/// <reference lib="esnext.disposable" preserve="true" />
import type { ScoreOptions } from "./types.js";

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
