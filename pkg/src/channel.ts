import { LexigraftError } from "./errors.js";
import { type AliveMessage, isAliveMessage, watchLife } from "./life.js";
import type { ClientMessage, HostMessage } from "./protocol.js";

/** The way to an engine. A channel that failed stays failed. */
export interface Channel {
  post(message: ClientMessage): void;
  onMessage: (message: HostMessage) => void;
  onFailure: (error: LexigraftError) => void;
  close(): Promise<void>;
}

const WORKER_HINT =
  "Check that the package's worker.js is served beside its index.js as JavaScript, or say where it is with workerUrl; " +
  "that the page's content security policy allows workers; or create with worker: false. " +
  "In Node, import lexigraft/node.";

/** An engine in a worker. */
export function workerChannel(createWorker: () => Worker): Channel {
  let worker: Worker;
  try {
    worker = createWorker();
  } catch (cause) {
    if (cause instanceof LexigraftError) throw cause;
    throw new LexigraftError("worker-failed", "The worker could not be started.", {
      cause,
      hint: WORKER_HINT,
    });
  }
  let heard = false;
  let unwatch: (() => void) | undefined;
  const end = () => {
    unwatch?.();
    worker.terminate();
  };
  const channel: Channel = {
    post: (message) => worker.postMessage(message),
    onMessage: () => undefined,
    onFailure: () => undefined,
    close: async () => end(),
  };
  const fail = (message: string, cause?: unknown) => {
    end();
    channel.onFailure(
      new LexigraftError("worker-failed", message, {
        ...(cause === undefined ? {} : { cause }),
        hint: heard ? "Dispose this Lexigraft and create a new one." : WORKER_HINT,
      }),
    );
  };
  worker.addEventListener("message", ({ data }: MessageEvent<HostMessage | AliveMessage>) => {
    heard = true;
    if (isAliveMessage(data)) unwatch = watchLife(data.lock, () => fail("The worker has ended."));
    else channel.onMessage(data);
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
