/** The script of the worker: it runs the engine and speaks the protocol with the page. */
import { EngineHost } from "./engine-host.js";
import { isTrap } from "./errors.js";
import { loadModule, startedModuleSize } from "./load-module.js";
import { probeWebGpu } from "./probe.js";
import type { ClientMessage, HostMessage } from "./protocol.js";
import { startHelpers, threadsHere } from "./threads.js";

/** The page's type library does not know the inside of a worker. */
interface WorkerScope {
  postMessage(message: HostMessage, transfer: Transferable[]): void;
  addEventListener(type: "message", listener: (event: MessageEvent<ClientMessage>) => void): void;
  addEventListener(type: "unhandledrejection", listener: (event: PromiseRejectionEvent) => void): void;
}

const scope = globalThis as unknown as WorkerScope;
const host = new EngineHost((message, transfer) => scope.postMessage(message, transfer), {
  loadModule,
  probe: () => probeWebGpu(),
  threads: threadsHere,
  startHelpers,
  moduleSize: startedModuleSize,
});

scope.addEventListener("message", (event) => host.receive(event.data));

// The page hears of uncaught errors but not of unhandled rejections; an engine that trapped must not go unnoticed,
// because the calls it worked on would never be answered.
scope.addEventListener("unhandledrejection", (event) => {
  if (!isTrap(event.reason)) return;
  setTimeout(() => {
    throw event.reason;
  });
});
