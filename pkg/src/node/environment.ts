import { openAsBlob } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import type { EngineEnvironment } from "../engine.js";
import { LexigraftError } from "../errors.js";
import { fetchOk } from "../fetch-ok.js";
import { type GrammarModule, grammarModule } from "../grammar-module.js";
import type { EngineModule } from "../protocol.js";
import { startModule } from "../start-module.js";
import { MOST_THREADS, type ThreadStart } from "../threads.js";
import type { ModuleSize } from "../types.js";
import type { WasmModule } from "../wasm-module.js";

/** Beside the built script; the esbuild script leaves these imports as they are. */
const modules = {
  cpu: () => import("../wasm/cpu/lexigraft.js"),
  cpuThreads: () => import("../wasm/cpu-threads/lexigraft.js"),
};

const FOLDERS = { cpu: "cpu", cpuThreads: "cpu-threads" };

let size: ModuleSize | undefined;

async function loadModule(
  name: EngineModule,
  wasmUrl: string | undefined,
  signal: AbortSignal,
): Promise<WasmModule> {
  if (name === "gpu") throw new LexigraftError("internal", "There is no WebGPU engine in Node.");
  const glue = (await modules[name]()) as WasmModule;
  const url = new URL(wasmUrl ?? `./wasm/${FOLDERS[name]}/lexigraft_bg.wasm`, import.meta.url);
  const bytes = await readBytes(url, signal);
  await startModule(glue, name, await WebAssembly.compile(bytes), signal);
  size = { bytes: bytes.byteLength, encodedBytes: bytes.byteLength };
  return glue;
}

async function loadGrammar(wasmUrl: string | undefined, signal: AbortSignal): Promise<GrammarModule> {
  const url = new URL(wasmUrl ?? "./wasm/grammar/lexigraft_grammar.wasm", import.meta.url);
  return grammarModule(await WebAssembly.compile(await readBytes(url, signal)));
}

async function readBytes(url: URL, signal: AbortSignal): Promise<Uint8Array<ArrayBuffer>> {
  if (url.protocol === "file:") return new Uint8Array(await readFile(url));
  return new Uint8Array(await (await fetchOk(url.href, { signal })).arrayBuffer());
}

/** A file as a Blob that is read from the disk, part by part, when the engine wants it. */
function openFile(url: string): Promise<Blob> | undefined {
  return url.startsWith("file:") ? openPath(fileURLToPath(url)) : undefined;
}

async function openPath(path: string): Promise<Blob> {
  const found = await stat(path).catch((cause: NodeJS.ErrnoException) => {
    const missing = cause.code === "ENOENT" || cause.code === "ENOTDIR";
    const what = missing ? `${path} does not exist.` : `${path} cannot be read: ${cause.message}`;
    throw new LexigraftError(missing ? "not-found" : "io", what, { cause });
  });
  if (!found.isFile()) {
    throw new LexigraftError("not-found", `${path} is not a file.`, {
      hint: "encoder() takes a folder; the other models are single files.",
    });
  }
  return openAsBlob(path).catch((cause: unknown) => {
    throw new LexigraftError("io", `${path} cannot be read.`, { cause });
  });
}

const common = {
  loadModule,
  loadGrammar,
  openFile,
  probe: async () => ({
    available: false,
    software: false,
    adapter: "",
    problem: "Node has no WebGPU",
  }),
  moduleSize: () => size,
};

/** The engine beside the caller's code: one thread, because others would make it wait. */
export const inThisThread: EngineEnvironment = {
  ...common,
  threads: (requested) => ({
    count: 1,
    why: requested === 1 ? "" : "the engine runs in the caller's thread",
  }),
  startHelpers: async () => undefined,
};

/** The engine in a thread of its own, with helpers. */
export const inItsOwnThread: EngineEnvironment = {
  ...common,
  threads: (requested) => ({ count: requested ?? Math.min(availableParallelism(), MOST_THREADS), why: "" }),
  startHelpers: async ({ threadModule, threadMemory, expectHelper }, count) => {
    if (!threadModule || !threadMemory || !expectHelper) {
      throw new LexigraftError("internal", "The threaded engine's module has no threads.", {
        hint: "Check wasmUrl: the engine files may be exchanged.",
      });
    }
    const start: ThreadStart = { module: threadModule(), memory: threadMemory() };
    await Promise.all(Array.from({ length: count }, () => helper(start)));
    for (let at = 0; at < count; at += 1) expectHelper();
  },
};

/** Node ends a thread's own threads with it. */
function helper(workerData: ThreadStart): Promise<void> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL("./node-thread.js", import.meta.url), { workerData, execArgv: [] });
    worker.once("message", () => resolve());
    worker.once("error", (cause) =>
      reject(new LexigraftError("worker-failed", "A thread of the engine did not start.", { cause })),
    );
  });
}
