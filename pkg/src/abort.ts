import { LexigraftError } from "./errors.js";

/** The error for an aborted signal: its own reason when that is one of our errors, else `aborted`. */
export function abortError(signal: AbortSignal): LexigraftError {
  const reason: unknown = signal.reason;
  if (reason instanceof LexigraftError) return reason;
  return new LexigraftError("aborted", "The operation was aborted.", { cause: reason });
}

export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw abortError(signal);
}

/** Settles as `promise` does, or rejects as soon as the signal aborts. */
export function abortable<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  return new Promise<T>((resolve, reject) => {
    const onAbort = () => reject(abortError(signal));
    if (signal.aborted) onAbort();
    else signal.addEventListener("abort", onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}

/**
 * Lets waiting messages in. A message port is used because timers are clamped to 4 ms when nested, which would
 * cost a fast model a large part of its speed.
 */
export function yieldToEventLoop(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(null);
  });
}

export function delay(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
