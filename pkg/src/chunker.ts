import { webPageError } from "./fetch-ok.js";

/** Bytes handed on at once, and hashed one by one in the cache. */
export const CHUNK_BYTES = 8 * 1024 * 1024;

/** Where the bytes go. The array is reused: a sink must be done with it when its promise resolves. */
export type WriteChunk = (chunk: Uint8Array<ArrayBuffer>) => Promise<void>;

/** Enough bytes to tell a web page by its first tag. */
const SNIFF_BYTES = 64;

/** Makes chunks of equal size of what arrives; the last one is shorter. */
export class Chunker {
  #buffer: Uint8Array<ArrayBuffer>;
  #filled = 0;

  /** `sniffed`: what comes is not the beginning of the file. */
  constructor(
    private readonly write: WriteChunk,
    chunkBytes: number,
    private readonly url: string,
    private sniffed = false,
  ) {
    this.#buffer = new Uint8Array(chunkBytes);
  }

  async push(bytes: Uint8Array): Promise<void> {
    let from = 0;
    while (from < bytes.byteLength) {
      const part = bytes.subarray(from, from + this.#buffer.byteLength - this.#filled);
      this.#buffer.set(part, this.#filled);
      this.#filled += part.byteLength;
      from += part.byteLength;
      if (this.#filled >= SNIFF_BYTES) this.#sniff();
      if (this.#filled === this.#buffer.byteLength) await this.#flush();
    }
  }

  async finish(): Promise<void> {
    if (this.#filled > 0) await this.#flush();
  }

  async #flush(): Promise<void> {
    this.#sniff();
    await this.write(this.#buffer.subarray(0, this.#filled));
    this.#filled = 0;
  }

  /** Some servers send their index page without calling it HTML. No model file begins like one. */
  #sniff(): void {
    if (this.sniffed) return;
    this.sniffed = true;
    const start = new TextDecoder().decode(this.#buffer.subarray(0, Math.min(this.#filled, SNIFF_BYTES)));
    if (/^\s*<(!doctype\s+html|html[\s>])/i.test(start)) throw webPageError(this.url);
  }
}
