import { callUser, type EngineClient } from "./client.js";
import { asyncDispose } from "./dispose.js";
import { LexigraftError } from "./errors.js";
import { toPortablePicture } from "./picture.js";
import type { Handle } from "./protocol.js";
import { release } from "./release.js";
import type { PictureSource, Reduction, Seen, SeeOptions, Vision, VisionInfo } from "./types.js";

/** A vision model that lives in the engine; this is the page's end of it. */
export class VisionClient implements Vision {
  #disposing: Promise<void> | undefined;

  constructor(
    private readonly client: EngineClient,
    private readonly handle: Handle,
    readonly info: Readonly<VisionInfo>,
  ) {}

  async see(source: PictureSource, options: SeeOptions = {}): Promise<Seen> {
    const { size = 224, crop = "center", reduce, signal, onProgress } = options;
    if (!(Number.isInteger(size) && size > 0 && size <= 4096)) {
      throw new LexigraftError("invalid-argument", "The size must be a whole number of pixels.");
    }
    if (crop !== "center" && crop !== "pad") {
      throw new LexigraftError("invalid-argument", `There is no crop "${String(crop)}": use center or pad.`);
    }
    const written = reduce === undefined ? {} : { reduce: writeReduction(reduce) };
    const picture = await toPortablePicture(source);
    return this.client.call(
      "see",
      { handle: this.handle, picture, options: { size, crop, ...written } },
      { signal, onEvent: (event) => callUser(onProgress, event) },
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

/** A reduction as the command line writes it: the engine reads and checks that form alone. */
export function writeReduction(reduce: Reduction | string): string {
  if (typeof reduce === "string") return reduce;
  if (typeof reduce !== "object" || reduce === null || typeof reduce.method !== "string") {
    throw new LexigraftError(
      "invalid-argument",
      "A reduction is { method, … }, such as { method: 'tome', r: 16 }.",
    );
  }
  const { method, layers, ...settings } = reduce;
  const pairs = Object.entries(settings)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => `${key}=${String(value)}`);
  if (layers !== undefined) pairs.push(`layers=${layers.join("/")}`);
  return pairs.length === 0 ? method : `${method}:${pairs.join(",")}`;
}
