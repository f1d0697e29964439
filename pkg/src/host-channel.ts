import type { Channel } from "./channel.js";
import type { EngineEnvironment } from "./engine.js";
import { EngineHost } from "./engine-host.js";
import { isTrap, LexigraftError } from "./errors.js";

/** An engine in the caller's own thread. */
export function hostChannel(environment: EngineEnvironment): Channel {
  const host = new EngineHost((message) => queueMicrotask(() => channel.onMessage(message)), environment);
  // A trap inside the engine's own callbacks reaches nobody else, and the call that caused it would never end.
  const onError = (event: ErrorEvent) => {
    if (!isTrap(event.error)) return;
    const error =
      host.outOfMemory() ??
      new LexigraftError("internal", `The engine stopped: ${event.message}`, {
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
