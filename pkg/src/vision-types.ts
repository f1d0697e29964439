/// <reference lib="esnext.disposable" preserve="true" />
import type { LoadOptions, Source } from "./types.js";

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
