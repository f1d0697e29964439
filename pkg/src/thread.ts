/** The script of a helper thread: it shares the engine's memory and runs parts of its kernels until it is ended. */
import type { ThreadStart } from "./threads.js";
import init, { help } from "./wasm/cpu-threads/lexigraft.js";

/** The page's type library does not know the inside of a worker. */
interface ThreadScope {
  postMessage(message: "ready"): void;
  addEventListener(type: "message", listener: (event: MessageEvent<ThreadStart>) => void): void;
}

const scope = globalThis as unknown as ThreadScope;

scope.addEventListener("message", ({ data: { module, memory } }) => {
  init({ module_or_path: module, memory }).then(
    () => {
      scope.postMessage("ready");
      help?.();
    },
    (error: unknown) => {
      // A rejection is not heard outside; an error is.
      setTimeout(() => {
        throw error;
      });
    },
  );
});
