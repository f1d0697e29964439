import { abortable, abortError, throwIfAborted } from "./abort.js";
import { CHUNK_BYTES, Chunker, type WriteChunk } from "./chunker.js";
import { LexigraftError } from "./errors.js";
import { type Fetch, fetchOk, mayPass, waitBeforeRetry } from "./fetch-ok.js";
import { continues, type DownloadHead, headOf, rangeHeaders, totalOf } from "./ranges.js";

export interface DownloadOptions {
  signal: AbortSignal;
  onProgress: (loaded: number, total: number | undefined) => void;
  /**
   * Called when the server has answered and before any byte is read. It is called again when a download cannot go on
   * and begins anew: what was written before counts for nothing then.
   */
  open: (head: DownloadHead) => Promise<WriteChunk>;
  /** The beginning of the file, where an earlier download left it. */
  kept?: KeptPart;
  /** A hash will be checked, so that parts of different versions cannot go unnoticed. */
  trusting?: boolean;
  /** What was written cannot be relied on, and `open` is not called before the next answer. */
  onSpoiled?: () => void;
  /** The bytes are kept by other means: the browser's own cache would keep them a second time. */
  keptElsewhere?: boolean;
  /** Told each time a failed download is tried again. */
  onRetry?: (error: LexigraftError, loaded: number) => void;
  fetch?: Fetch;
  chunkBytes?: number;
  /** The pause before the first retry; each further one is three times as long. */
  retryMs?: number;
}

export interface KeptPart {
  head: DownloadHead;
  /** Bytes; a whole number of chunks. */
  loaded: number;
  write: WriteChunk;
}

interface Part {
  head: DownloadHead;
  chunker: Chunker;
  loaded: number;
}

/** Tries again after this many failures in a row. */
const RETRIES = 3;
/** As long as nothing answered, the address may just be wrong: a person waits for the error. */
const FIRST_RETRIES = 1;
const RETRY_MS = 300;
/** A failure after this many new bytes is not one in a row. */
const PROGRESS_BYTES = 1024 * 1024;

/**
 * Streams an address into chunks of equal size (the last one is shorter). Resolves to the number of bytes. A cut
 * connection is taken up where it ended, when the server can do that and the file is still the same.
 */
export async function download(url: string, options: DownloadOptions): Promise<number> {
  const run = new Download(url, options);
  const { signal, retryMs = RETRY_MS } = options;
  let failures = 0;
  let furthest = run.loaded;
  for (;;) {
    try {
      return await run.attempt();
    } catch (error) {
      if (signal.aborted) throw abortError(signal);
      if (run.loaded >= furthest + PROGRESS_BYTES) failures = 0;
      furthest = Math.max(furthest, run.loaded);
      failures += 1;
      const wait = waitBeforeRetry(error);
      const most = run.answered || codeOf(error) !== "network" ? RETRIES : FIRST_RETRIES;
      if (wait === undefined || failures > most) throw error;
      options.onRetry?.(error as LexigraftError, run.loaded);
      await pause(Math.max(wait, retryMs * 3 ** (failures - 1)), signal);
    }
  }
}

class Download {
  /** A server has sent the file, or a part of it. */
  answered = false;
  #part: Part | undefined;
  /** False once the server was found not to keep to the ranges that it was asked for. */
  #ranges = true;

  constructor(
    private readonly url: string,
    private readonly options: DownloadOptions,
  ) {
    const { kept } = options;
    if (kept === undefined) return;
    const chunker = new Chunker(kept.write, this.#chunkBytes, url, true);
    this.#part = { head: kept.head, loaded: kept.loaded, chunker };
  }

  get loaded(): number {
    return this.#part?.loaded ?? 0;
  }

  get #chunkBytes(): number {
    return this.options.chunkBytes ?? CHUNK_BYTES;
  }

  /** One connection. Resolves to the file's bytes, all of which have been written. */
  async attempt(): Promise<number> {
    const { signal, onProgress } = this.options;
    const asked = this.#part !== undefined && this.#part.loaded > 0 && this.#ranges;
    let response = await this.#ask(asked);
    let part = this.#part;
    if (!asked || part === undefined) part = undefined;
    else if (!continues(response, part.loaded, part.head, this.options.trusting === true)) {
      part = undefined;
      this.#part = undefined;
      if (response.status !== 200) {
        // Another part than asked for, or of another file.
        response.body?.cancel().catch(() => undefined);
        this.#ranges = false;
        response = await this.#ask(false);
      }
    }
    this.answered = true;
    const resumed = part !== undefined;
    try {
      part ??= await this.#begin(response);
      part.head.total ??= resumed ? totalOf(response) : undefined;
      this.#part = part;
      throwIfAborted(signal);
      await this.#read(response, part, resumed);
      await part.chunker.finish();
      throwIfAborted(signal);
    } catch (error) {
      // Not awaited: a stalled server must not hold back the error.
      if (response.body?.locked === false) response.body.cancel().catch(() => undefined);
      throw error;
    }
    onProgress(part.loaded, part.loaded);
    return part.loaded;
  }

  #ask(rest: boolean): Promise<Response> {
    const { signal, fetch, keptElsewhere } = this.options;
    const part = this.#part;
    const headers = rest && part ? rangeHeaders(this.url, part.loaded, part.head) : undefined;
    return fetchOk(this.url, {
      signal,
      ...(fetch ? { fetch } : {}),
      // A part must come from the server: browsers' caches put parts together by rules of their own.
      ...(keptElsewhere || headers ? { cache: "no-store" as const } : {}),
      // 416: the file is shorter than what is here of it.
      ...(headers ? { headers, allow: 416 } : {}),
    });
  }

  async #begin(response: Response): Promise<Part> {
    if (response.status === 206) {
      throw new LexigraftError(
        "http",
        `${this.url} came in part, where all of it was asked for (HTTP 206).`,
        {
          hint: "The server is at fault; try again later, or download the file and open it from disk.",
        },
      );
    }
    const head = headOf(response);
    const write = await this.options.open(head);
    return { head, loaded: 0, chunker: new Chunker(write, this.#chunkBytes, this.url) };
  }

  async #read(response: Response, part: Part, resumed: boolean): Promise<void> {
    const { signal, onProgress } = this.options;
    const reader = response.body?.getReader();
    const announced = part.head.total;
    onProgress(part.loaded, announced);
    try {
      while (reader !== undefined) {
        const { done, value } = await reader.read().catch((cause: unknown) => {
          throw cutError(this.url, part.loaded, announced, cause);
        });
        throwIfAborted(signal);
        if (done) break;
        await part.chunker.push(value);
        throwIfAborted(signal);
        part.loaded += value.byteLength;
        const beyond = announced !== undefined && part.loaded > announced;
        if (beyond && resumed) throw this.#misfit();
        // More than announced: the length was that of the compressed body, which other origins do not disclose.
        onProgress(part.loaded, beyond ? undefined : announced);
      }
    } catch (error) {
      reader?.cancel().catch(() => undefined);
      throw error;
    }
    if (announced !== undefined && part.loaded < announced) throw cutError(this.url, part.loaded, announced);
  }

  /** The server sent more than the rest: what is here is not to be trusted. */
  #misfit(): LexigraftError {
    this.#part = undefined;
    this.#ranges = false;
    this.options.onSpoiled?.();
    return mayPass(new LexigraftError("network", `${this.url} sent more than the rest of the file.`));
  }
}

function codeOf(error: unknown): string | undefined {
  return error instanceof LexigraftError ? error.code : undefined;
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const slept = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  return abortable(slept, signal).finally(() => clearTimeout(timer));
}

function cutError(url: string, loaded: number, total: number | undefined, cause?: unknown): LexigraftError {
  const of = total === undefined ? "" : ` of ${total}`;
  return mayPass(
    new LexigraftError("network", `The connection to ${url} was cut after ${loaded}${of} bytes.`, {
      cause,
      hint: "Check the connection and try again.",
    }),
  );
}
