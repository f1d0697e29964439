import { type EngineClient, requireText } from "./client.js";
import { asyncDispose } from "./dispose.js";
import type { Handle } from "./protocol.js";
import { release } from "./release.js";
import type { Encoder, EncoderInfo } from "./types.js";

/** An encoder that lives in the engine; this is the page's end of it. */
export class EncoderClient implements Encoder {
  #disposing: Promise<void> | undefined;

  constructor(
    private readonly client: EngineClient,
    private readonly handle: Handle,
    readonly info: Readonly<EncoderInfo>,
  ) {}

  async embed(
    text: string | readonly string[],
    { signal }: { signal?: AbortSignal } = {},
  ): Promise<Float32Array[]> {
    const texts = (typeof text === "string" ? [text] : [...text]).map((one) => requireText(one, "text"));
    return this.client.call("embed", { handle: this.handle, texts }, { signal });
  }

  async tokenize(text: string): Promise<Uint32Array> {
    return this.client.call("tokenizeForEncoder", { handle: this.handle, text: requireText(text, "text") });
  }

  dispose(): Promise<void> {
    this.#disposing ??= release(this.client, this.handle);
    return this.#disposing;
  }

  [asyncDispose](): Promise<void> {
    return this.dispose();
  }
}
