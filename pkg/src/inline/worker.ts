/** The script of the single file's worker. It gets its engine in the first message. */
import { serve } from "../serve.js";
import { inlineEnvironment } from "./environment.js";

export interface InlineStart {
  wasm: Blob;
}

interface StartScope {
  postMessage(message: "ready"): void;
  addEventListener(
    type: "message",
    listener: (event: MessageEvent<InlineStart>) => void,
    options: { once: true },
  ): void;
}

const scope = globalThis as unknown as StartScope;

scope.addEventListener(
  "message",
  ({ data }) => {
    serve(inlineEnvironment(data.wasm, "the single file has no threads"));
    scope.postMessage("ready");
  },
  { once: true },
);
