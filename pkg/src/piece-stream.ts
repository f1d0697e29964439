import { LexigraftError } from "./errors.js";

/** What a generation has brought so far. Readers follow at their own pace, each from the beginning. */
export class PieceStream<P> implements AsyncIterable<P> {
  readonly pieces: P[] = [];
  /** Set when nothing more will come, or nobody wants it: undefined inside for a normal end. */
  #over: { error: LexigraftError | undefined } | undefined;
  #wake: (() => void)[] = [];
  readonly #stop: () => void;

  /** `stop` ends the call that brings the pieces; it is called once at most, by {@link cancel}. */
  constructor(stop: () => void) {
    this.#stop = stop;
  }

  get over(): boolean {
    return this.#over !== undefined;
  }

  get aborted(): boolean {
    return this.#over?.error?.code === "aborted";
  }

  push(piece: P): void {
    this.pieces.push(piece);
    this.#notify();
  }

  /** The first end counts. */
  finish(error: LexigraftError | undefined): void {
    this.#over ??= { error };
    this.#notify();
  }

  /** Ends it as aborted, unless it has ended. */
  abort(): void {
    this.finish(new LexigraftError("aborted", "The generation was aborted."));
  }

  cancel(): void {
    if (this.over) return;
    this.abort();
    this.#stop();
  }

  /** `result`, during which `signal` cancels. */
  cancelledBy<R>(signal: AbortSignal | undefined, result: Promise<R>): Promise<R> {
    const onAbort = () => this.cancel();
    signal?.addEventListener("abort", onAbort, { once: true });
    const settled = result.finally(() => signal?.removeEventListener("abort", onAbort));
    // Whoever only iterates has the error from the iterator; it must not be reported as unhandled too.
    settled.catch(() => undefined);
    return settled;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<P, void, undefined> {
    let at = 0;
    try {
      for (;;) {
        // An abort takes effect at once; other errors come after the pieces that preceded them.
        if (this.aborted) throw this.#over?.error;
        const piece = this.pieces[at];
        if (piece !== undefined) {
          at += 1;
          yield piece;
        } else if (this.#over !== undefined) {
          if (this.#over.error !== undefined) throw this.#over.error;
          return;
        } else {
          await new Promise<void>((resolve) => this.#wake.push(resolve));
        }
      }
    } finally {
      this.cancel();
    }
  }

  #notify(): void {
    const waiting = this.#wake;
    this.#wake = [];
    for (const wake of waiting) wake();
  }
}
