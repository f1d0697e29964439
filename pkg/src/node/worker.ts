/** The script of the engine's thread in Node. */
import { parentPort } from "node:worker_threads";
import { EngineHost } from "../engine-host.js";
import type { ClientMessage, HostMessage } from "../protocol.js";
import { inItsOwnThread } from "./environment.js";

const host = new EngineHost(
  (message: HostMessage, transfer) => parentPort?.postMessage(message, transfer as ArrayBuffer[]),
  inItsOwnThread,
);
parentPort?.on("message", (message: ClientMessage) => host.receive(message));
