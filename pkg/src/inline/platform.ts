/** In a single file: the engine's module and the worker's script are texts in it. */
import { workerChannel } from "../channel.js";
import { LexigraftError } from "../errors.js";
import { hostChannel } from "../host-channel.js";
import type { OpenChannel } from "../platform.js";
import { inlineEnvironment } from "./environment.js";
import type { InlineStart } from "./worker.js";

/** A worker that says nothing for so long was kept from starting without an error. */
const TIMEOUT_MS = 10_000;

export const openChannel: OpenChannel = async ({ worker = true }) => {
  const wasm = await engine();
  if (worker === false)
    return hostChannel(inlineEnvironment(wasm, "an engine in the page itself must not wait"));
  const started = await blobWorker(wasm);
  if (started !== undefined) return workerChannel(() => started);
  return hostChannel(inlineEnvironment(wasm, "this page allows no worker, so the engine runs in the page"));
};

let unpacked: Promise<Blob> | undefined;

/** Unpacks the engine, once for all that are created. */
function engine(): Promise<Blob> {
  unpacked ??= unpack(INLINE_WASM);
  return unpacked;
}

async function unpack(text: string): Promise<Blob> {
  if (typeof DecompressionStream === "undefined") {
    throw new LexigraftError("internal", "This browser cannot unpack the engine.", {
      hint: "It needs DecompressionStream and WebAssembly SIMD, which every browser since 2023 has.",
    });
  }
  const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Blob([await new Response(stream).arrayBuffer()], { type: "application/wasm" });
}

/** Undefined where the page's content security policy, or its host, allows no worker of a Blob. */
async function blobWorker(wasm: Blob): Promise<Worker | undefined> {
  const url = URL.createObjectURL(new Blob([INLINE_WORKER], { type: "text/javascript" }));
  let worker: Worker | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  try {
    const started = new Worker(url, { name: "lexigraft" });
    worker = started;
    await new Promise<void>((resolve, reject) => {
      timer = setTimeout(() => reject(new Error("no answer in time")), TIMEOUT_MS);
      started.addEventListener("message", () => resolve(), { once: true });
      started.addEventListener(
        "error",
        (event) => {
          event.preventDefault();
          reject(new Error(event.message));
        },
        { once: true },
      );
      const start: InlineStart = { wasm };
      started.postMessage(start);
    });
    return started;
  } catch {
    worker?.terminate();
    return undefined;
  } finally {
    clearTimeout(timer);
    URL.revokeObjectURL(url);
  }
}
