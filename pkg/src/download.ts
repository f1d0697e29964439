import { abortError, throwIfAborted } from "./abort.js";
import { LexigraftError } from "./errors.js";
import { type Fetch, fetchOk, webPageError } from "./fetch-ok.js";

/** Bytes handed on at once, and hashed one by one in the cache. */
export const CHUNK_BYTES = 8 * 1024 * 1024;

/** Where the bytes go. The array is reused: a sink must be done with it when its promise resolves. */
export type WriteChunk = (chunk: Uint8Array<ArrayBuffer>) => Promise<void>;

export interface DownloadHead {
  /** Bytes the server announced for the body; undefined when it did not, or compresses on the way. */
  total: number | undefined;
  etag: string | undefined;
  lastModified: string | undefined;
}

export interface DownloadOptions {
  signal: AbortSignal;
  onProgress: (loaded: number, total: number | undefined) => void;
  /** Called once, when the server has answered and before any byte is read. */
  open: (head: DownloadHead) => Promise<WriteChunk>;
  fetch?: Fetch;
  chunkBytes?: number;
}

/** Streams an address into chunks of equal size (the last one is shorter). Resolves to the number of bytes. */
export async function download(url: string, options: DownloadOptions): Promise<number> {
  const { signal, onProgress } = options;
  const response = await fetchOk(url, { signal, ...(options.fetch ? { fetch: options.fetch } : {}) });
  const announced = contentLength(response);
  const reader = response.body?.getReader();
  let loaded = 0;
  try {
    const write = await options.open({
      total: announced,
      etag: response.headers.get("etag") ?? undefined,
      lastModified: response.headers.get("last-modified") ?? undefined,
    });
    throwIfAborted(signal);
    const chunker = new Chunker(write, options.chunkBytes ?? CHUNK_BYTES, url);
    onProgress(0, announced);
    while (reader !== undefined) {
      const { done, value } = await reader.read().catch((cause: unknown) => {
        throw cutError(url, loaded, announced, cause);
      });
      throwIfAborted(signal);
      if (done) break;
      await chunker.push(value);
      throwIfAborted(signal);
      loaded += value.byteLength;
      // More than announced: the length was that of the compressed body, which other origins do not disclose.
      onProgress(loaded, announced !== undefined && loaded > announced ? undefined : announced);
    }
    if (announced !== undefined && loaded < announced) throw cutError(url, loaded, announced);
    await chunker.finish();
    throwIfAborted(signal);
  } catch (error) {
    // Not awaited: a stalled server must not hold back the error.
    reader?.cancel().catch(() => undefined);
    throw signal.aborted ? abortError(signal) : error;
  }
  onProgress(loaded, loaded);
  return loaded;
}

function contentLength(response: Response): number | undefined {
  // The announced length of a compressed body says nothing about the bytes that arrive here.
  if (response.headers.has("content-encoding")) return undefined;
  const text = response.headers.get("content-length");
  if (text === null || !/^\d+$/.test(text)) return undefined;
  const bytes = Number(text);
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

function cutError(url: string, loaded: number, total: number | undefined, cause?: unknown): LexigraftError {
  const of = total === undefined ? "" : ` of ${total}`;
  return new LexigraftError("network", `The connection to ${url} was cut after ${loaded}${of} bytes.`, {
    cause,
    hint: "Check the connection and try again.",
  });
}

/** Enough bytes to tell a web page by its first tag. */
const SNIFF_BYTES = 64;

class Chunker {
  #buffer: Uint8Array<ArrayBuffer>;
  #filled = 0;
  #sniffed = false;

  constructor(
    private readonly write: WriteChunk,
    chunkBytes: number,
    private readonly url: string,
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
    if (this.#sniffed) return;
    this.#sniffed = true;
    const start = new TextDecoder().decode(this.#buffer.subarray(0, Math.min(this.#filled, SNIFF_BYTES)));
    if (/^\s*<(!doctype\s+html|html[\s>])/i.test(start)) throw webPageError(this.url);
  }
}
