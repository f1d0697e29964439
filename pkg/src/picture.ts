/** Pictures: from what a page has, to what the worker takes, to pixels. */
import { LexigraftError } from "./errors.js";
import { type Fetch, fetchOk } from "./fetch-ok.js";
import { toPortable } from "./source.js";
import type { PictureSource, PictureValues, Source } from "./types.js";

/** A picture that can be posted to a worker. */
export type PortablePicture =
  | { kind: "url"; url: string }
  | { kind: "blob"; blob: Blob }
  | { kind: "bitmap"; bitmap: ImageBitmap }
  | { kind: "pixels"; data: Uint8ClampedArray; width: number; height: number }
  | { kind: "values"; values: Float32Array; width: number; height: number };

/** Pixels, four bytes each. */
export interface Pixels {
  data: Uint8Array;
  width: number;
  height: number;
}

/** The engine's limit on the pixels of a picture, which it checks before anything is drawn. */
const MAX_PIXELS = 64 * 2 ** 20;

/** Prepares a picture for the engine. What only the page can read becomes a bitmap here. */
export async function toPortablePicture(source: PictureSource): Promise<PortablePicture> {
  if (isValues(source)) {
    const { values, width, height } = source;
    return { kind: "values", values, width, height };
  }
  if (isPixels(source)) {
    const { data, width, height } = source;
    return { kind: "pixels", data: new Uint8ClampedArray(data), width, height };
  }
  if (isDrawable(source)) {
    try {
      // A copy: what was given stays the caller's.
      return { kind: "bitmap", bitmap: await createImageBitmap(source, decoding) };
    } catch (cause) {
      throw new LexigraftError("empty-image", "The picture holds nothing yet, or may not be read.", {
        cause,
        hint: "Wait until it has loaded; pictures of another origin must allow this page (CORS).",
      });
    }
  }
  return toPortable(source as Source, "picture");
}

/** As decoders on the command line do: upright, colours and transparency as they are stored. */
const decoding = {
  imageOrientation: "from-image",
  colorSpaceConversion: "none",
  premultiplyAlpha: "none",
} as const;

/** Decodes a picture; with `square` only the largest square in its middle. */
export async function readPixels(
  picture: Exclude<PortablePicture, { kind: "values" }>,
  square: boolean,
  options: { check: (bytes: Uint8Array) => void; signal: AbortSignal; fetch?: Fetch },
): Promise<Pixels> {
  if (picture.kind === "pixels") {
    const { data, width, height } = picture;
    return { data: new Uint8Array(data.buffer, data.byteOffset, data.byteLength), width, height };
  }
  if (picture.kind === "bitmap") return draw(picture.bitmap, square);
  const { check, ...fetching } = options;
  const blob = picture.kind === "blob" ? picture.blob : await (await fetchOk(picture.url, fetching)).blob();
  check(new Uint8Array(await readable(blob)));
  let bitmap: ImageBitmap;
  try {
    bitmap = await createImageBitmap(blob, decoding);
  } catch (cause) {
    throw new LexigraftError("not-an-image", "This is no picture that the browser can read.", {
      cause,
      hint: "Use a PNG, JPEG, WebP or GIF file.",
    });
  }
  return draw(bitmap, square);
}

async function readable(blob: Blob): Promise<ArrayBuffer> {
  try {
    return await blob.arrayBuffer();
  } catch (cause) {
    throw new LexigraftError("io", "The file cannot be read.", {
      cause,
      hint: "It may have been moved or changed since it was picked: pick it again.",
    });
  }
}

function draw(bitmap: ImageBitmap, square: boolean): Pixels {
  try {
    const short = Math.min(bitmap.width, bitmap.height);
    const width = square ? short : bitmap.width;
    const height = square ? short : bitmap.height;
    if (bitmap.width * bitmap.height > MAX_PIXELS) {
      throw new LexigraftError(
        "image-too-large",
        `The picture is ${bitmap.width} x ${bitmap.height} pixels, more than ${MAX_PIXELS} in all.`,
        { hint: "Make it smaller first." },
      );
    }
    const canvas = new OffscreenCanvas(width, height);
    const context = canvas.getContext("2d", { willReadFrequently: true });
    if (context === null) {
      throw new LexigraftError("out-of-memory", "The browser gives no canvas to decode the picture on.");
    }
    const left = Math.floor((bitmap.width - width) / 2);
    const top = Math.floor((bitmap.height - height) / 2);
    context.drawImage(bitmap, -left, -top);
    const { data } = context.getImageData(0, 0, width, height);
    return { data: new Uint8Array(data.buffer), width, height };
  } finally {
    bitmap.close();
  }
}

function isValues(source: PictureSource): source is PictureValues {
  // Arrays have a method of that name.
  return typeof source === "object" && "values" in source && typeof source.values !== "function";
}

function isPixels(source: PictureSource): source is ImageData {
  return typeof ImageData !== "undefined" && source instanceof ImageData;
}

function isDrawable(source: PictureSource): source is Exclude<ImageBitmapSource, Blob | ImageData> {
  return [
    "ImageBitmap",
    "HTMLImageElement",
    "HTMLCanvasElement",
    "HTMLVideoElement",
    "SVGImageElement",
    "OffscreenCanvas",
    "VideoFrame",
  ].some((name) => {
    const type = (globalThis as Record<string, unknown>)[name];
    return typeof type === "function" && source instanceof type;
  });
}
