import { isTrap, LexigraftError } from "./errors.js";
import type { ClientMessage, HostMessage } from "./protocol.js";

/** The way to an engine. A channel that failed stays failed. */
export interface Channel {
  post(message: ClientMessage): void;
  onMessage: (message: HostMessage) => void;
  onFailure: (error: LexigraftError) => void;
  close(): Promise<void>;
}

const WORKER_HINT =
  "Check that the package's worker.js is served beside its index.js as JavaScript and that the page's content " +
  "security policy allows workers, or create with worker: false.";

/** An engine in a worker. */
export function workerChannel(createWorker: () => Worker = packageWorker): Channel {
  let worker: Worker;
  try {
    worker = createWorker();
  } catch (cause) {
    throw new LexigraftError("worker-failed", "The worker could not be started.", {
      cause,
      hint: WORKER_HINT,
    });
  }
  let heard = false;
  const channel: Channel = {
    post: (message) => worker.postMessage(message),
    onMessage: () => undefined,
    onFailure: () => undefined,
    close: async () => worker.terminate(),
  };
  const fail = (message: string, cause: unknown) => {
    worker.terminate();
    channel.onFailure(
      new LexigraftError("worker-failed", message, {
        cause,
        hint: heard ? "Dispose this Lexigraft and create a new one." : WORKER_HINT,
      }),
    );
  };
  worker.addEventListener("message", (event: MessageEvent<HostMessage>) => {
    heard = true;
    channel.onMessage(event.data);
  });
  worker.addEventListener("error", (event) => {
    event.preventDefault();
    const detail = event.message ? `: ${event.message}` : ".";
    fail(
      heard ? `The worker failed${detail}` : `The worker's script could not be started${detail}`,
      event.error,
    );
  });
  worker.addEventListener("messageerror", (event) =>
    fail("The worker sent a message that cannot be read.", event),
  );
  return channel;
}

/** Written this way, and only this way, because bundlers look for exactly this expression. */
function packageWorker(): Worker {
  return new Worker(new URL("./worker.js", import.meta.url), { type: "module", name: "lexigraft" });
}

/** An engine in the page itself. Its code is loaded only when it is wanted. */
export async function pageChannel(): Promise<Channel> {
  const [{ EngineHost }, { loadModule, startedModuleSize }, { probeWebGpu }, { startHelpers, threadsHere }] =
    await Promise.all([
      import("./engine-host.js"),
      import("./load-module.js"),
      import("./probe.js"),
      import("./threads.js"),
    ]);
  const host = new EngineHost((message) => queueMicrotask(() => channel.onMessage(message)), {
    loadModule,
    probe: () => probeWebGpu(),
    threads: threadsHere,
    startHelpers,
    moduleSize: startedModuleSize,
  });
  // A trap inside the engine's own callbacks reaches nobody else, and the call that caused it would never end.
  const onError = (event: ErrorEvent) => {
    if (!isTrap(event.error)) return;
    const error = new LexigraftError("internal", `The engine stopped: ${event.message}`, {
      cause: event.error,
      hint: "Dispose this Lexigraft and create a new one.",
    });
    host.abandon(error);
    channel.onFailure(error);
  };
  globalThis.addEventListener?.("error", onError);
  const channel: Channel = {
    post: (message) => queueMicrotask(() => host.receive(message)),
    onMessage: () => undefined,
    onFailure: () => undefined,
    close: async () => {
      globalThis.removeEventListener?.("error", onError);
      await host.dispose();
    },
  };
  return channel;
}
