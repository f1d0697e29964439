import type { CacheStore, Sidecar } from "./cache.js";
import { CHUNK_BYTES } from "./download.js";
import { type FileWriter, freeBytes, isQuotaError, openWriter } from "./opfs.js";
import type { LoadWarning } from "./types.js";

export type Recorded = Omit<Sidecar, "version" | "storedAt" | "file">;

/** Takes a download's chunks and gives them back as one Blob. */
export interface Sink {
  write(chunk: Uint8Array<ArrayBuffer>): Promise<void>;
  finish(recorded: Recorded): Promise<Blob>;
  /** Leaves nothing behind. */
  discard(): Promise<void>;
}

/** Gathers Blobs, which browsers move out of the script's memory, and to disk when they are many. */
export class MemorySink implements Sink {
  #parts: Blob[] = [];

  async write(chunk: Uint8Array<ArrayBuffer>): Promise<void> {
    this.#parts.push(new Blob([chunk]));
  }

  async finish(): Promise<Blob> {
    return new Blob(this.#parts);
  }

  async discard(): Promise<void> {
    this.#parts = [];
  }
}

/** What was written cannot be read back: the download must be made again, without the cache. */
export class CacheLost extends Error {}

/** Writes a cache entry. When the disk fails or fills up, it goes on in memory: a cache never stops a load. */
export class CacheSink implements Sink {
  #writer: FileWriter | undefined;
  /** Bytes that were accepted for the file. */
  #written = 0;
  readonly #memory = new MemorySink();

  private constructor(
    private readonly store: CacheStore,
    private readonly key: string,
    private readonly file: string,
    private readonly warn: (warning: LoadWarning) => void,
  ) {}

  static async open(
    store: CacheStore,
    key: string,
    total: number | undefined,
    warn: (warning: LoadWarning) => void,
  ): Promise<CacheSink> {
    const sink = new CacheSink(store, key, store.dataName(key), warn);
    const room = await freeBytes(store.storage);
    if (total !== undefined && room !== undefined && total > room) {
      sink.#fellBack(new DOMException("There is not enough room.", "QuotaExceededError"));
      return sink;
    }
    try {
      sink.#writer = await openWriter(store.directory, sink.file);
    } catch (error) {
      await store.remove(sink.file);
      sink.#fellBack(error);
    }
    return sink;
  }

  async write(chunk: Uint8Array<ArrayBuffer>): Promise<void> {
    if (this.#writer === undefined) return this.#memory.write(chunk);
    try {
      await this.#writer.write(chunk);
      this.#written += chunk.byteLength;
    } catch (error) {
      await this.#rescue(error);
      await this.#memory.write(chunk);
    }
  }

  async finish(recorded: Recorded): Promise<Blob> {
    const writer = this.#writer;
    if (writer === undefined) return this.#memory.finish();
    let blob: Blob;
    try {
      await writer.close();
      this.#writer = undefined;
      blob = await this.store.read(this.file);
    } catch (cause) {
      throw this.#lost(cause);
    }
    try {
      await this.store.commit(this.key, { ...recorded, file: this.file });
    } catch (error) {
      // The data is there and can be read; it only will not be found again, and the next load removes it.
      this.#fellBack(error);
    }
    return blob;
  }

  async discard(): Promise<void> {
    // Whatever failed before is the news; a file that does not close is not.
    await this.#writer?.abandon().catch(() => undefined);
    this.#writer = undefined;
    await this.#memory.discard();
    await this.store.remove(this.file);
  }

  /** Moves what was written so far into memory, which works where writes reach the file at once. */
  async #rescue(cause: unknown): Promise<void> {
    const writer = this.#writer;
    try {
      await writer?.close();
      this.#writer = undefined;
      const file = await this.store.read(this.file);
      if (file.size < this.#written) throw cause;
      for (let at = 0; at < this.#written; at += CHUNK_BYTES) {
        const part = file.slice(at, Math.min(at + CHUNK_BYTES, this.#written));
        await this.#memory.write(new Uint8Array(await part.arrayBuffer()));
      }
    } catch {
      throw this.#lost(cause);
    }
    await this.store.remove(this.file);
    this.#fellBack(cause);
  }

  #lost(cause: unknown): CacheLost {
    this.#fellBack(cause);
    return new CacheLost("The cache lost the file.", { cause });
  }

  #fellBack(error: unknown): void {
    const full = isQuotaError(error);
    const why = error instanceof Error ? error.message : String(error);
    this.warn({
      code: full ? "cache-full" : "cache-unavailable",
      message: full
        ? `The browser's storage has no room for the file, so it is kept in memory. ${why}`
        : `The file could not be cached and is kept in memory. ${why}`,
    });
  }
}
