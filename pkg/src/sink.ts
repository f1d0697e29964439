import type { CacheStore, Sidecar } from "./cache.js";
import { CHUNK_BYTES } from "./chunker.js";
import { Journal } from "./journal.js";
import { type FileWriter, openWriter } from "./opfs.js";
import { isQuotaError, quotaError, type Shortage, shortage, shortageText } from "./quota.js";
import { type DownloadHead, validatorOf } from "./ranges.js";
import type { LoadWarning } from "./types.js";

export type Recorded = Omit<Sidecar, "version" | "storedAt" | "file">;

/** Takes a download's chunks and gives them back as one Blob. */
export interface Sink {
  /** `digest`: SHA-256 of the chunk, where the sink is a cache. */
  write(chunk: Uint8Array<ArrayBuffer>, digest: string): Promise<void>;
  finish(recorded: Recorded): Promise<Blob>;
  /** Ends, and leaves what another load can go on with. */
  keep(): Promise<void>;
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

  keep(): Promise<void> {
    return this.discard();
  }

  async discard(): Promise<void> {
    this.#parts = [];
  }
}

/** What was written cannot be read back: the download must be made again, without the cache. */
export class CacheLost extends Error {}

/** Where a cache entry is written to. */
export interface CacheTarget {
  store: CacheStore;
  key: string;
  url: string;
  head: DownloadHead;
  /** The data file and the chunks in it, when a download goes on. */
  kept?: { file: string; digests: readonly string[] };
  /** The file's hash will be checked: it may go on though the server does not name its version. */
  trusting: boolean;
  whenFull: "memory" | "fail";
  /** Gives up what others left, for want of room. */
  makeRoom: () => Promise<void>;
  warn: (warning: LoadWarning) => void;
}

/**
 * Writes a cache entry. When the disk fails or fills up, it goes on in memory, since a cache never stops a load; with
 * `whenFull: "fail"` a full one does.
 */
export class CacheSink implements Sink {
  readonly #file: string;
  #writer: FileWriter | undefined;
  #journal: Journal | undefined;
  /** Bytes that were accepted for the file. */
  #written: number;
  readonly #memory = new MemorySink();

  private constructor(private readonly target: CacheTarget) {
    const { store, key, kept } = target;
    this.#file = kept?.file ?? store.dataName(key);
    this.#written = (kept?.digests.length ?? 0) * CHUNK_BYTES;
  }

  /** Fails only for want of room, with `whenFull: "fail"`, and when the kept part cannot be written to. */
  static async open(target: CacheTarget): Promise<CacheSink> {
    const { store, head, kept, makeRoom } = target;
    const sink = new CacheSink(target);
    const more = head.total === undefined ? undefined : Math.max(0, head.total - sink.#written);
    let lack = await shortage(store, more);
    if (lack !== undefined) {
      await makeRoom();
      lack = await shortage(store, more);
    }
    if (lack !== undefined) {
      await sink.discard();
      sink.#full(lack);
      if (kept !== undefined) throw new CacheLost("There is no room for the rest.");
      return sink;
    }
    try {
      sink.#writer = await openWriter(store.directory, sink.#file, sink.#written);
    } catch (error) {
      await sink.discard();
      sink.#fellBack(error);
      if (kept !== undefined) throw new CacheLost("The kept part cannot be written to.", { cause: error });
      return sink;
    }
    await sink.#openJournal();
    return sink;
  }

  async write(chunk: Uint8Array<ArrayBuffer>, digest: string): Promise<void> {
    if (this.#writer === undefined) return this.#memory.write(chunk);
    try {
      await this.#writer.write(chunk);
      this.#written += chunk.byteLength;
    } catch (error) {
      await this.#rescue(error);
      return this.#memory.write(chunk);
    }
    // Only whole chunks can be gone on from.
    if (chunk.byteLength === CHUNK_BYTES) await this.#noted(digest);
  }

  async finish(recorded: Recorded): Promise<Blob> {
    const writer = this.#writer;
    if (writer === undefined) return this.#memory.finish();
    const { store, key } = this.target;
    let blob: Blob;
    try {
      await writer.close();
      this.#writer = undefined;
      blob = await store.read(this.#file);
    } catch (cause) {
      throw this.#lost(cause);
    }
    try {
      await store.commit(key, { ...recorded, file: this.#file });
    } catch (error) {
      // The data is there and can be read; it only will not be found again, and the next load removes it.
      this.#fellBack(error);
    }
    await this.#dropJournal();
    return blob;
  }

  async keep(): Promise<void> {
    if (this.#writer === undefined || this.#journal === undefined || this.#written < CHUNK_BYTES) {
      return this.discard();
    }
    try {
      await this.#writer.close();
      await this.#journal.close();
      this.#writer = undefined;
      this.#journal = undefined;
    } catch {
      await this.discard();
    }
  }

  async discard(): Promise<void> {
    // Whatever failed before is the news; a file that does not close is not.
    await this.#writer?.abandon().catch(() => undefined);
    this.#writer = undefined;
    await this.#dropJournal();
    await this.#memory.discard();
    await this.target.store.remove(this.#file);
  }

  /** A journal that cannot be written only means that nothing can be gone on from. */
  async #openJournal(): Promise<void> {
    const { store, key, url, head, kept, trusting } = this.target;
    if (validatorOf(head) === undefined && !trusting) return;
    const entry = { head, file: this.#file, digests: [...(kept?.digests ?? [])], url };
    this.#journal = await Journal.open(store, key, entry).catch(() => undefined);
  }

  async #noted(digest: string): Promise<void> {
    try {
      await this.#journal?.add(digest);
    } catch {
      await this.#dropJournal();
    }
  }

  async #dropJournal(): Promise<void> {
    const { store, key } = this.target;
    await this.#journal?.abandon();
    this.#journal = undefined;
    await store.remove(store.journalName(key));
  }

  /** Moves what was written so far into memory, which works where writes reach the file at once. */
  async #rescue(cause: unknown): Promise<void> {
    const { store, whenFull } = this.target;
    if (whenFull === "fail" && isQuotaError(cause)) throw quotaError(this.#lack(), cause);
    const writer = this.#writer;
    try {
      await writer?.close();
      this.#writer = undefined;
      const file = await store.read(this.#file);
      if (file.size < this.#written) throw cause;
      for (let at = 0; at < this.#written; at += CHUNK_BYTES) {
        const part = file.slice(at, Math.min(at + CHUNK_BYTES, this.#written));
        await this.#memory.write(new Uint8Array(await part.arrayBuffer()));
      }
    } catch {
      throw this.#lost(cause);
    }
    await this.#dropJournal();
    await store.remove(this.#file);
    this.#fellBack(cause);
  }

  #lost(cause: unknown): CacheLost {
    this.#fellBack(cause);
    return new CacheLost("The cache lost the file.", { cause });
  }

  #fellBack(error: unknown): void {
    const why = error instanceof Error ? error.message : String(error);
    if (isQuotaError(error)) this.#full(this.#lack(), error);
    else {
      this.target.warn({
        code: "cache-unavailable",
        message: `The file could not be cached and is kept in memory. ${why}`,
      });
    }
  }

  /** Browsers may say that they have more room than they give: what could be written is what there was. */
  #lack(): Shortage {
    return { needed: this.target.head.total, available: this.#written };
  }

  #full(lack: Shortage, cause?: unknown): void {
    if (this.target.whenFull === "fail") throw quotaError(lack, cause);
    this.target.warn({
      code: "cache-full",
      message: `${shortageText(lack)} It is kept in memory, and will be downloaded again next time.`,
      ...(lack.needed === undefined ? {} : { needed: lack.needed }),
      ...(lack.available === undefined ? {} : { available: lack.available }),
    });
  }
}
