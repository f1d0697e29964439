import { toHex } from "./digest.js";
import { toLexigraftError } from "./errors.js";
import { openWriter, originStorage } from "./opfs.js";
import { estimate } from "./quota.js";
import { fetchable, resolveHub, resolveUrl } from "./source.js";
import type { CacheEntry, CacheOptions, CacheUsage, ModelCache } from "./types.js";

/** Bump when the sidecar's fields change: entries of another version are not read. */
const VERSION = 1;
const SIDECAR = ".json";
const JOURNAL = ".part";
/** How long a cut download is kept for being gone on with. */
const KEEP_MS = 7 * 24 * 3600 * 1000;

/** What is recorded beside a cached file. It is written last: a file without one is not an entry. */
export interface Sidecar extends CacheEntry {
  version: typeof VERSION;
  /** Name of the data file. Each download has its own, so that a reader of the old one is not disturbed. */
  file: string;
  chunkBytes: number;
  /** SHA-256 of each chunk, which the browser checks much faster than the hash of the whole. */
  chunks: string[];
  etag?: string;
  lastModified?: string;
}

export interface CachedFile {
  sidecar: Sidecar;
  blob: Blob;
}

/** The files of one cache directory. Callers hold the entry's lock; nothing here takes it. */
export class CacheStore {
  private constructor(
    readonly directory: FileSystemDirectoryHandle,
    readonly storage: StorageManager,
  ) {}

  /** Undefined where there is no private file system; rejects where it is there and fails. */
  static async open(name: string, storage = originStorage()): Promise<CacheStore | undefined> {
    if (storage === undefined) return undefined;
    const root = await storage.getDirectory();
    return new CacheStore(await root.getDirectoryHandle(name, { create: true }), storage);
  }

  /** The entry, if it is there and its file has the right size. A broken entry counts as none. */
  async find(key: string): Promise<CachedFile | undefined> {
    const sidecar = await this.#sidecar(key + SIDECAR);
    if (sidecar === undefined) return undefined;
    const blob = await this.read(sidecar.file).catch(() => undefined);
    return blob?.size === sidecar.bytes ? { sidecar, blob } : undefined;
  }

  async read(file: string): Promise<File> {
    return (await this.directory.getFileHandle(file)).getFile();
  }

  /** A name for a new data file of an entry. */
  dataName(key: string): string {
    return `${key}.${toHex(crypto.getRandomValues(new Uint8Array(8)))}.bin`;
  }

  /** Name of the journal of a download, which lies there until the entry is made. */
  journalName(key: string): string {
    return key + JOURNAL;
  }

  /** Makes a finished data file the entry. */
  async commit(key: string, fields: Omit<Sidecar, "version" | "storedAt">): Promise<void> {
    const sidecar: Sidecar = { version: VERSION, storedAt: new Date().toISOString(), ...fields };
    const writer = await openWriter(this.directory, key + SIDECAR);
    try {
      await writer.write(new TextEncoder().encode(JSON.stringify(sidecar)));
      await writer.close();
    } catch (error) {
      await writer.abandon();
      await this.remove(key + SIDECAR);
      throw error;
    }
  }

  /** Removes a file; one that is not there, or still open in another tab, is left. */
  async remove(file: string): Promise<void> {
    await this.directory.removeEntry(file).catch(() => undefined);
  }

  /** Removes the entry and every data file of unfinished downloads of the same address. */
  async drop(key: string): Promise<void> {
    await this.remove(key + SIDECAR);
    for (const file of await this.#files()) if (file.startsWith(`${key}.`)) await this.remove(file);
  }

  async keys(): Promise<string[]> {
    return [...new Set((await this.#files()).map(keyOf))];
  }

  /** Keys that have data and no entry: downloads under way, cut ones, or left by a tab that was closed. */
  async unfinished(): Promise<string[]> {
    const files = await this.#files();
    const finished = new Set(files.filter((file) => file.endsWith(SIDECAR)).map(keyOf));
    return [...new Set(files.map(keyOf))].filter((key) => !finished.has(key));
  }

  /** Bytes of the files of {@link unfinished} downloads. */
  async unfinishedBytes(): Promise<number> {
    const keys = new Set(await this.unfinished());
    let bytes = 0;
    for (const file of await this.#files()) {
      if (!keys.has(keyOf(file)) || file.endsWith(JOURNAL)) continue;
      // It may be gone by now.
      bytes += (await this.read(file).catch(() => undefined))?.size ?? 0;
    }
    return bytes;
  }

  /** Whether a cut download may still be gone on with. */
  async resumable(key: string): Promise<boolean> {
    const journal = await this.read(this.journalName(key)).catch(() => undefined);
    return journal !== undefined && journal.lastModified > Date.now() - KEEP_MS;
  }

  async entries(): Promise<CacheEntry[]> {
    const entries: CacheEntry[] = [];
    for (const file of await this.#files()) {
      if (!file.endsWith(SIDECAR)) continue;
      const found = await this.find(file.slice(0, -SIDECAR.length));
      if (found === undefined) continue;
      const { url, bytes, sha256, storedAt } = found.sidecar;
      entries.push({ url, bytes, sha256, storedAt });
    }
    return entries.sort((a, b) => b.storedAt.localeCompare(a.storedAt));
  }

  async #files(): Promise<string[]> {
    const names: string[] = [];
    for await (const name of this.directory.keys()) names.push(name);
    return names;
  }

  async #sidecar(file: string): Promise<Sidecar | undefined> {
    try {
      const value: unknown = JSON.parse(await (await this.read(file)).text());
      return isSidecar(value) ? value : undefined;
    } catch {
      return undefined;
    }
  }
}

/** Names the files of an address: addresses hold characters that file names cannot. */
export async function cacheKey(url: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(url));
  return toHex(new Uint8Array(digest));
}

function keyOf(file: string): string {
  return file.split(".", 1)[0] ?? file;
}

/**
 * Runs a task while no other tab, worker or load touches the same entry. Where the browser has no locks the task
 * runs at once: file names are unique, so the worst is a download made twice.
 */
export function withEntryLock<T>(
  name: string,
  key: string,
  signal: AbortSignal | undefined,
  task: () => Promise<T>,
): Promise<T> {
  const locks = globalThis.navigator?.locks;
  if (!locks) return task();
  return locks.request(lockName(name, key), signal === undefined ? {} : { signal }, task) as Promise<T>;
}

/**
 * Removes what closed tabs left behind and nobody will go on with; with `all`, for want of room, the rest too. A
 * download under way holds its lock and is left alone.
 */
export async function sweep(store: CacheStore, name: string, own: string, all = false): Promise<void> {
  const locks = globalThis.navigator?.locks;
  if (!locks) return;
  for (const key of await store.unfinished()) {
    if (key === own) continue;
    await locks.request(lockName(name, key), { ifAvailable: true }, async (lock) => {
      if (lock !== null && (all || !(await store.resumable(key)))) await store.drop(key);
    });
  }
}

function lockName(name: string, key: string): string {
  return `lexigraft:${name}:${key}`;
}

/** The cache as pages see it. It needs no engine. */
export function openCache(options: CacheOptions = {}): ModelCache {
  const name = cacheName(options);
  const run = async <T>(fallback: T, task: (store: CacheStore) => Promise<T>): Promise<T> => {
    try {
      const store = await CacheStore.open(name);
      return store === undefined ? fallback : await task(store);
    } catch (error) {
      throw toLexigraftError(error, "storage");
    }
  };
  const drop = (store: CacheStore, key: string) => withEntryLock(name, key, undefined, () => store.drop(key));
  const hub = options.hub === undefined ? undefined : resolveHub(options.hub);
  return {
    list: () => run<CacheEntry[]>([], (store) => store.entries()),
    usage: () =>
      run<CacheUsage>({ bytes: 0, unfinishedBytes: 0 }, async (store) => {
        const entries = await store.entries();
        const { usage, quota } = await estimate(store.storage);
        return {
          bytes: entries.reduce((sum, entry) => sum + entry.bytes, 0),
          unfinishedBytes: await store.unfinishedBytes(),
          ...(usage === undefined ? {} : { originBytes: usage }),
          ...(quota === undefined ? {} : { quotaBytes: quota }),
        };
      }),
    delete: (url) =>
      run(undefined, async (store) => drop(store, await cacheKey(fetchable(resolveUrl(url), hub)))),
    clear: () =>
      run(undefined, async (store) => {
        for (const key of await store.keys()) await drop(store, key);
      }),
  };
}

export function cacheName(options: CacheOptions): string {
  return options.name ?? "lexigraft";
}

function isSidecar(value: unknown): value is Sidecar {
  const sidecar = value as Partial<Sidecar> | null;
  return (
    typeof sidecar === "object" &&
    sidecar?.version === VERSION &&
    typeof sidecar.url === "string" &&
    typeof sidecar.file === "string" &&
    typeof sidecar.bytes === "number" &&
    typeof sidecar.sha256 === "string" &&
    typeof sidecar.storedAt === "string" &&
    typeof sidecar.chunkBytes === "number" &&
    sidecar.chunkBytes > 0 &&
    Array.isArray(sidecar.chunks)
  );
}
