/** In Node the engine runs in a thread of `node:worker_threads`. */
import { Worker } from "node:worker_threads";
import type { Channel } from "../channel.js";
import { LexigraftError } from "../errors.js";
import { hostChannel } from "../host-channel.js";
import type { OpenChannel } from "../platform.js";
import type { HostMessage } from "../protocol.js";
import { inThisThread } from "./environment.js";

export const openChannel: OpenChannel = async ({ worker = true, workerUrl }) => {
  if (worker === false) return hostChannel(inThisThread);
  if (worker !== true || workerUrl !== undefined) {
    throw new LexigraftError(
      "invalid-argument",
      "In Node, worker is true or false, and there is no workerUrl.",
    );
  }
  // Options such as --input-type, which are about the program, would keep the thread from starting.
  return threadChannel(new Worker(new URL("./node-worker.js", import.meta.url), { execArgv: [] }));
};

function threadChannel(worker: Worker): Channel {
  let calls = 0;
  let ended = false;
  const channel: Channel = {
    post: (message) => {
      // A call under way keeps the process alive; an idle engine does not.
      if (message.type === "call" && ++calls === 1) worker.ref();
      worker.postMessage(message);
    },
    onMessage: () => undefined,
    onFailure: () => undefined,
    close: async () => {
      ended = true;
      await worker.terminate();
    },
  };
  worker.unref();
  worker.on("message", (message: HostMessage) => {
    if (message.type !== "event" && --calls === 0) worker.unref();
    channel.onMessage(message);
  });
  const fail = (message: string, cause?: unknown) => {
    if (ended) return;
    ended = true;
    void worker.terminate();
    channel.onFailure(
      new LexigraftError("worker-failed", message, {
        ...(cause === undefined ? {} : { cause }),
        hint: "Dispose this Lexigraft and create a new one.",
      }),
    );
  };
  const failOf = (cause: unknown) => fail(`The engine's thread failed: ${String(cause)}`, cause);
  worker.on("error", failOf);
  worker.on("messageerror", failOf);
  // Of a thread that ends itself, or is ended, nothing else tells.
  worker.on("exit", (code) => fail(`The engine's thread has ended, with exit code ${code}.`));
  return channel;
}
