import { throwIfAborted } from "./abort.js";
import { LexigraftError } from "./errors.js";

/**
 * The order of work on one model. The engine does one thing at a time per model, and freeing it in the middle of a
 * job would be an error inside the engine, so everything that takes time goes through here.
 *
 * Short jobs wait for each other. A generation may last as long as it likes, so while one runs everything else is
 * refused as `busy` instead of waiting; one that was cancelled is only waited for.
 */
export class JobQueue {
  #tail: Promise<unknown> = Promise.resolve();
  readonly #closed = new AbortController();
  #generation: AbortSignal | undefined;

  /** Runs a job after those before it. Its signal also aborts when the model is disposed. */
  run<T>(signal: AbortSignal, job: Job<T>): Promise<T> {
    return this.#enqueue(signal, job, false);
  }

  /** Runs a job that holds the model until it ends or is cancelled. */
  generation<T>(signal: AbortSignal, job: Job<T>): Promise<T> {
    return this.#enqueue(signal, job, true);
  }

  /** Cancels what runs and waits, and resolves when the model may be freed. */
  async close(): Promise<void> {
    this.#closed.abort(new LexigraftError("disposed", "The model was disposed."));
    await this.#tail;
  }

  async #enqueue<T>(outer: AbortSignal, job: Job<T>, generation: boolean): Promise<T> {
    throwIfAborted(this.#closed.signal);
    throwIfAborted(outer);
    if (this.#generation !== undefined && !this.#generation.aborted) {
      throw new LexigraftError("busy", "The model is generating text.", {
        hint: "Await the generation's result, or cancel it, before starting something else.",
      });
    }
    const { signal, unlink } = linkSignals([outer, this.#closed.signal]);
    if (generation) this.#generation = signal;
    const turn = this.#tail.then(() => {
      throwIfAborted(signal);
      return job(signal);
    });
    this.#tail = turn.catch(() => undefined);
    try {
      return await turn;
    } finally {
      unlink();
      if (this.#generation === signal) this.#generation = undefined;
    }
  }
}

type Job<T> = (signal: AbortSignal) => Promise<T>;

/** A signal that aborts with the first of several, until it is unlinked. */
function linkSignals(signals: AbortSignal[]): { signal: AbortSignal; unlink: () => void } {
  const controller = new AbortController();
  const links = new AbortController();
  for (const signal of signals) {
    const follow = () => controller.abort(signal.reason);
    if (signal.aborted) follow();
    else signal.addEventListener("abort", follow, { signal: links.signal });
  }
  return { signal: controller.signal, unlink: () => links.abort() };
}
