import type { EngineEnvironment } from "./engine.js";
import { EngineHost } from "./engine-host.js";
import { isTrap } from "./errors.js";
import { type AliveMessage, holdLife } from "./life.js";
import type { ClientMessage, HostMessage } from "./protocol.js";

/** The page's type library does not know the inside of a worker. */
interface WorkerScope {
  postMessage(message: HostMessage | AliveMessage, transfer: Transferable[]): void;
  addEventListener(type: "message", listener: (event: MessageEvent<ClientMessage>) => void): void;
  addEventListener(type: "error", listener: (event: ErrorEvent) => void): void;
  addEventListener(type: "unhandledrejection", listener: (event: PromiseRejectionEvent) => void): void;
}

/** Answers the page's calls in the worker that this runs in. */
export function serve(environment: EngineEnvironment): void {
  const scope = globalThis as unknown as WorkerScope;
  const host = new EngineHost((message, transfer) => scope.postMessage(message, transfer), environment);

  scope.addEventListener("message", (event) => host.receive(event.data));

  holdLife((message) => scope.postMessage(message, []));

  // A trap for want of memory comes out of a task of the engine's own. The calls that it leaves open get its name.
  scope.addEventListener("error", (event) => {
    const error = isTrap(event.error) ? host.outOfMemory() : undefined;
    if (error === undefined) return;
    event.preventDefault();
    host.abandon(error);
  });

  // The page hears of uncaught errors but not of unhandled rejections; an engine that trapped must not go unnoticed,
  // because the calls it worked on would never be answered.
  scope.addEventListener("unhandledrejection", (event) => {
    if (!isTrap(event.reason)) return;
    setTimeout(() => {
      throw event.reason;
    });
  });
}
