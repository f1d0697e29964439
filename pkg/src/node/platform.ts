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
  const channel: Channel = {
    post: (message) => {
      // A call under way keeps the process alive; an idle engine does not.
      if (message.type === "call" && ++calls === 1) worker.ref();
      worker.postMessage(message);
    },
    onMessage: () => undefined,
    onFailure: () => undefined,
    close: async () => {
      await worker.terminate();
    },
  };
  worker.unref();
  worker.on("message", (message: HostMessage) => {
    if (message.type !== "event" && --calls === 0) worker.unref();
    channel.onMessage(message);
  });
  const fail = (cause: unknown) => {
    void worker.terminate();
    channel.onFailure(
      new LexigraftError("worker-failed", `The engine's thread failed: ${String(cause)}`, {
        cause,
        hint: "Dispose this Lexigraft and create a new one.",
      }),
    );
  };
  worker.on("error", fail);
  worker.on("messageerror", fail);
  return channel;
}
