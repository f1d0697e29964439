/** Grafts and exports, on the engine's side. */
import { yieldToEventLoop } from "./abort.js";
import { type Fetcher, fileGetter } from "./host-files.js";
import { ProgressThrottle } from "./progress.js";
import type { ExportedFile, GraftEvent, GraftParams, Handle } from "./protocol.js";
import type { WasmLanguageModel, WasmModule, WasmTokenizer } from "./wasm-module.js";

interface Parts {
  /** Asked for when it is the graft's turn: until then a tokenizer that the page holds may be disposed. */
  tokenizer: () => WasmTokenizer;
  method: string;
  hypernetwork: Blob | undefined;
  lossy: boolean;
  /** Gives back what was loaded for the graft alone. */
  free: () => void;
}

/** Gets what a graft is made with. */
export async function graftParts(
  { tokenizer, method, hypernetwork, lossy }: GraftParams,
  fetcher: Fetcher,
  find: (handle: Handle) => WasmTokenizer,
  module: WasmModule,
  { signal, emit }: { signal: AbortSignal; emit: (event: GraftEvent) => void },
): Promise<Parts> {
  const get = fileGetter(fetcher, new ProgressThrottle(), {
    signal,
    emit: (event) => {
      if (event.type === "warning") return emit(event);
      const { phase, loaded, total } = event.progress;
      // Nothing is loaded here.
      if (phase !== "load") emit({ type: "progress", progress: { phase, done: loaded, total } });
    },
  });
  const parts = {
    method,
    hypernetwork: hypernetwork && (await get("hypernetwork", hypernetwork)).blob,
    lossy,
  };
  if (typeof tokenizer === "number") {
    find(tokenizer);
    return { ...parts, tokenizer: () => find(tokenizer), free: () => undefined };
  }
  const { blob } = await get("tokenizer", tokenizer);
  const read = await module.readTokenizer(blob);
  return { ...parts, tokenizer: () => read, free: () => read.free() };
}

export async function runGraft(
  model: WasmLanguageModel,
  { tokenizer, method, hypernetwork, lossy }: Parts,
  running: AbortSignal,
  { emit }: { emit: (event: GraftEvent) => void },
): Promise<WasmLanguageModel> {
  const throttle = new ProgressThrottle();
  return model.graft(tokenizer(), method, hypernetwork, lossy, async (phase, done, total) => {
    if (phase !== "write" && throttle.due(phase, done === total)) {
      emit({ type: "progress", progress: { phase, done, total } });
    }
    // A cancel message is only read between two tasks.
    await yieldToEventLoop();
    return !running.aborted;
  });
}

export async function exportModel(
  model: WasmLanguageModel,
  format: "gguf" | "safetensors",
  running: AbortSignal,
  emit: (event: { done: number; total: number }) => void,
): Promise<ExportedFile[]> {
  const throttle = new ProgressThrottle();
  const files = await model.export(format, (_phase, done, total) => {
    if (throttle.due("write", done === total)) emit({ done, total });
    return !running.aborted;
  });
  return files.map(([name, content]) => ({ name, content }));
}
