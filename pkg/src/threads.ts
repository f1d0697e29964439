import { throwIfAborted } from "./abort.js";
import { LexigraftError } from "./errors.js";
import type { WasmModule } from "./wasm-module.js";

/** More than this gain little: a small model's decoding is bound by memory. */
export const MOST_THREADS = 8;

/** A thread that does not answer must not keep the engine from starting. */
const TIMEOUT_MS = 20_000;

/** What a helper thread is started with. */
export interface ThreadStart {
  module: WebAssembly.Module;
  memory: WebAssembly.Memory;
}

/** How many threads the engine has, and why not more: part of a sentence, or empty. */
export interface ThreadChoice {
  count: number;
  why: string;
}

/** How many threads the engine may have here. */
export function threadsHere(requested: number | undefined): ThreadChoice {
  const scope = globalThis as { crossOriginIsolated?: boolean; document?: unknown };
  const wanted = requested ?? Math.min(globalThis.navigator?.hardwareConcurrency ?? 1, MOST_THREADS);
  if (wanted <= 1) return { count: 1, why: "" };
  if (scope.document !== undefined) return { count: 1, why: "an engine in the page itself must not wait" };
  if (scope.crossOriginIsolated !== true) return { count: 1, why: "the page is not cross-origin isolated" };
  return { count: wanted, why: "" };
}

/** Starts `count` helper threads of a threaded engine and waits until they help. */
export async function startHelpers(engine: WasmModule, count: number, signal: AbortSignal): Promise<void> {
  const { threadModule, threadMemory, expectHelper } = engine;
  if (!threadModule || !threadMemory || !expectHelper) {
    throw new LexigraftError("internal", "The threaded engine's module has no threads.", {
      hint: "Check wasmUrl: the engine files may be exchanged.",
    });
  }
  const start: ThreadStart = { module: threadModule(), memory: threadMemory() };
  const workers: Worker[] = [];
  try {
    await Promise.all(
      Array.from({ length: count }, () => {
        const worker = helper();
        workers.push(worker);
        return ready(worker, start);
      }),
    );
    throwIfAborted(signal);
  } catch (error) {
    for (const worker of workers) worker.terminate();
    throw error;
  }
  for (const _ of workers) expectHelper();
}

/** Written this way, and only this way, because bundlers look for exactly this expression. */
function helper(): Worker {
  return new Worker(new URL("./thread.js", import.meta.url), { type: "module", name: "lexigraft-thread" });
}

function ready(worker: Worker, start: ThreadStart): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (cause: unknown) =>
      reject(
        new LexigraftError("worker-failed", "A thread of the engine did not start.", {
          cause,
          hint: "Check that the package's thread.js is served beside its worker.js, or create with threads: 1.",
        }),
      );
    const timer = setTimeout(() => fail(new Error("no answer in time")), TIMEOUT_MS);
    worker.addEventListener("message", () => {
      clearTimeout(timer);
      resolve();
    });
    worker.addEventListener("error", (event) => {
      event.preventDefault();
      clearTimeout(timer);
      fail(event.error ?? event.message);
    });
    worker.postMessage(start);
  });
}
