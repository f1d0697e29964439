import { throwIfAborted, yieldToEventLoop } from "./abort.js";
import type { WasmEncoder } from "./wasm-module.js";

/** Texts that are embedded in one call; between calls the engine answers others and can be stopped. */
const MOST_TEXTS = 64;
/** Characters of a call with more than one text: in English some 500 tokens, about 0.3 s of MiniLM on one thread. */
const MOST_CHARACTERS = 2000;

/**
 * Places of texts in batches. Those of like length come together, since the engine runs texts of as many tokens as one.
 */
export function textBatches(texts: readonly string[]): number[][] {
  const length = (place: number) => texts[place]?.length ?? 0;
  const places = texts.map((_, place) => place).sort((a, b) => length(a) - length(b));
  const batches: number[][] = [];
  let characters = Infinity;
  for (const place of places) {
    const batch = batches.at(-1);
    characters += length(place);
    if (batch && batch.length < MOST_TEXTS && characters <= MOST_CHARACTERS) {
      batch.push(place);
    } else {
      batches.push([place]);
      characters = length(place);
    }
  }
  return batches;
}

/** The embedding of each text, in their order. */
export async function embedAll(
  model: WasmEncoder,
  texts: readonly string[],
  signal: AbortSignal,
): Promise<Float32Array[]> {
  const vectors: Float32Array[] = [];
  for (const batch of textBatches(texts)) {
    throwIfAborted(signal);
    const embedded = await model.embed(batch.map((place) => texts[place] ?? ""));
    for (const [at, vector] of embedded.entries()) vectors[batch[at] ?? at] = vector;
    await yieldToEventLoop();
  }
  return vectors;
}
