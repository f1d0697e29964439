import { type EngineClient, requireText } from "./client.js";
import { asyncDispose } from "./dispose.js";
import type { Handle } from "./protocol.js";
import { release } from "./release.js";
import type { Segmentation, TokenIds, Tokenizer, TokenizerInfo } from "./types.js";

/** A tokenizer that lives in the engine; this is the page's end of it. */
export class TokenizerClient implements Tokenizer {
  #disposing: Promise<void> | undefined;

  constructor(
    readonly client: EngineClient,
    /** For grafts, which take a tokenizer. */
    readonly handle: Handle,
    readonly info: Readonly<TokenizerInfo>,
  ) {}

  async tokenize(text: string, { addSpecial = true }: { addSpecial?: boolean } = {}): Promise<Uint32Array> {
    return this.client.call("tokenize", { handle: this.handle, text: requireText(text, "text"), addSpecial });
  }

  async detokenize(ids: TokenIds): Promise<string> {
    return this.client.call("detokenize", { handle: this.handle, ids: Uint32Array.from(ids) });
  }

  async tokenText(ids: TokenIds): Promise<string[]> {
    return this.client.call("tokenText", { handle: this.handle, ids: Uint32Array.from(ids) });
  }

  async segment(text: string): Promise<Segmentation> {
    return this.client.call("segment", { handle: this.handle, text: requireText(text, "text") });
  }

  dispose(): Promise<void> {
    this.#disposing ??= release(this.client, this.handle);
    return this.#disposing;
  }

  [asyncDispose](): Promise<void> {
    return this.dispose();
  }
}
