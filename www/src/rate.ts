/**
 * Bytes a second over the last few seconds: an average over the whole download would hide that a
 * connection has stalled.
 */
export class Rate {
  readonly #samples: { at: number; loaded: number }[] = [];
  readonly #windowMs: number;

  constructor(windowMs = 3000) {
    this.#windowMs = windowMs;
  }

  /** Takes a sample; undefined until a quarter of a second has been seen. */
  push(loaded: number, at: number): number | undefined {
    const last = this.#samples.at(-1);
    if (last && loaded < last.loaded) this.#samples.length = 0;
    this.#samples.push({ at, loaded });
    while (this.#samples.length > 2 && at - (this.#samples[1]?.at ?? at) > this.#windowMs)
      this.#samples.shift();
    const first = this.#samples[0];
    if (!first || at - first.at < 250) return undefined;
    return ((loaded - first.loaded) * 1000) / (at - first.at);
  }
}
