import { abortError, throwIfAborted } from "./abort.js";
import { type CachedFile, CacheStore, cacheKey, sweep, withEntryLock } from "./cache.js";
import {
  chunkDigest,
  chunksMatch,
  integrityError,
  type NewSha256,
  updateHash,
  verifyBlob,
} from "./digest.js";
import { CHUNK_BYTES, type DownloadHead, download } from "./download.js";
import { isTrap, toLexigraftError } from "./errors.js";
import type { Fetch } from "./fetch-ok.js";
import { CacheLost, CacheSink, MemorySink, type Sink } from "./sink.js";
import type { PortableSource } from "./source.js";
import type { LoadProgress, LoadWarning, ModelFile } from "./types.js";

/** A file on this machine, which needs no copy; undefined when the address is not of one. */
export type OpenFile = (url: string) => Promise<Blob> | undefined;

export interface FetchFileOptions {
  file: ModelFile;
  /** Name of the cache; undefined for none. */
  cache: string | undefined;
  /** Lower-case hexadecimal. */
  sha256: string | undefined;
  signal: AbortSignal;
  newSha256: NewSha256;
  onProgress: (progress: LoadProgress) => void;
  onWarning: (warning: LoadWarning) => void;
  fetch?: Fetch | undefined;
  openFile?: OpenFile | undefined;
  /** For tests; the cache in use when absent. */
  openStore?: (name: string) => Promise<CacheStore | undefined>;
}

export interface FetchedFile {
  blob: Blob;
  fromCache: boolean;
}

/** Turns any source into a Blob whose bytes are on disk where the browser allows it. */
export async function fetchFile(source: PortableSource, options: FetchFileOptions): Promise<FetchedFile> {
  const { signal } = options;
  throwIfAborted(signal);
  try {
    return await (source.kind === "blob" ? fromBlob(source.blob, options) : fromUrl(source.url, options));
  } catch (error) {
    throw signal.aborted ? abortError(signal) : error;
  }
}

async function fromBlob(blob: Blob, options: FetchFileOptions): Promise<FetchedFile> {
  if (options.sha256 !== undefined) {
    const onProgress = verifying(options, false);
    try {
      await verifyBlob(blob, options.sha256, options.newSha256, { signal: options.signal, onProgress });
    } catch (error) {
      throw isTrap(error) ? error : toLexigraftError(error, "io");
    }
  }
  return { blob, fromCache: false };
}

async function fromUrl(url: string, options: FetchFileOptions): Promise<FetchedFile> {
  const local = await options.openFile?.(url);
  if (local !== undefined) return fromBlob(local, options);
  const store = await openStore(url, options);
  if (store === undefined) return { blob: await fetchTo(url, options, undefined, ""), fromCache: false };
  const key = await cacheKey(url);
  const name = options.cache ?? "";
  // Another tab may be downloading the same file; a page should not look dead meanwhile.
  const waiting = setTimeout(() => connecting(options), 200);
  const turn = () => clearTimeout(waiting);
  const task = async (): Promise<FetchedFile> => {
    turn();
    const hit = await lookUp(store, key, options);
    if (hit !== undefined) return { blob: hit, fromCache: true };
    await tidy(store, name, key);
    try {
      return { blob: await fetchTo(url, options, store, key), fromCache: false };
    } catch (error) {
      if (!(error instanceof CacheLost)) throw error;
      return { blob: await fetchTo(url, options, undefined, ""), fromCache: false };
    }
  };
  return withEntryLock(name, key, options.signal, task).finally(turn);
}

/** Makes room. What cannot be removed only takes space; it never stops the load. */
async function tidy(store: CacheStore, name: string, key: string): Promise<void> {
  try {
    await store.drop(key);
    await sweep(store, name, key);
  } catch {
    // The next load tries again.
  }
}

function connecting({ file, onProgress }: FetchFileOptions): void {
  onProgress({ phase: "download", file, loaded: 0, total: undefined, fromCache: false });
}

async function openStore(url: string, options: FetchFileOptions): Promise<CacheStore | undefined> {
  const { cache } = options;
  // Addresses of other kinds are private to the page and end with it.
  if (cache === undefined || !/^https?:/.test(url)) return undefined;
  const open = options.openStore ?? ((name: string) => CacheStore.open(name));
  let problem = "this browser, or a page without https, has no private file system";
  try {
    const store = await open(cache);
    if (store !== undefined) return store;
  } catch (error) {
    problem = toLexigraftError(error).message;
  }
  options.onWarning({
    code: "cache-unavailable",
    message: `The file is kept in memory and will be downloaded again next time: ${problem}.`,
  });
  return undefined;
}

/** The cached file, once its bytes were found to be what was stored. */
async function lookUp(store: CacheStore, key: string, options: FetchFileOptions): Promise<Blob | undefined> {
  const hit = await store.find(key).catch(() => undefined);
  throwIfAborted(options.signal);
  if (hit === undefined) return undefined;
  // The caller expects another version than the one that is stored.
  if (options.sha256 !== undefined && options.sha256 !== hit.sidecar.sha256) return undefined;
  if (await isWhole(hit, options)) return hit.blob;
  options.onWarning({
    code: "cache-damaged",
    message: "The cached file was damaged and is downloaded again.",
  });
  return undefined;
}

async function isWhole({ blob, sidecar }: CachedFile, options: FetchFileOptions): Promise<boolean> {
  const onProgress = verifying(options, true);
  try {
    return await chunksMatch(blob, sidecar.chunks, sidecar.chunkBytes, {
      signal: options.signal,
      onProgress,
    });
  } catch (error) {
    throwIfAborted(options.signal);
    if (isTrap(error)) throw error;
    return false;
  }
}

async function fetchTo(
  url: string,
  options: FetchFileOptions,
  store: CacheStore | undefined,
  key: string,
): Promise<Blob> {
  const { file, signal, onWarning } = options;
  const hash = store !== undefined || options.sha256 !== undefined ? options.newSha256() : undefined;
  const chunks: string[] = [];
  let sink: Sink = new MemorySink();
  let head: DownloadHead | undefined;
  connecting(options);
  try {
    const bytes = await download(url, {
      signal,
      onProgress: (loaded, total) =>
        options.onProgress({ phase: "download", file, loaded, total, fromCache: false }),
      open: async (answered) => {
        head = answered;
        if (store !== undefined) sink = await CacheSink.open(store, key, answered.total, onWarning);
        return async (chunk) => {
          if (hash !== undefined) updateHash(hash, chunk);
          if (sink instanceof CacheSink) chunks.push(await chunkDigest(chunk));
          await sink.write(chunk);
        };
      },
      ...(options.fetch ? { fetch: options.fetch } : {}),
    });
    const sha256 = hash?.hex() ?? "";
    if (options.sha256 !== undefined && sha256 !== options.sha256)
      throw integrityError(url, options.sha256, sha256);
    const { etag, lastModified } = head ?? {};
    const recorded = { url, bytes, sha256, chunkBytes: CHUNK_BYTES, chunks, etag, lastModified };
    const blob = await sink.finish(recorded);
    throwIfAborted(signal);
    return blob;
  } catch (error) {
    await sink.discard();
    throw error;
  } finally {
    hash?.free();
  }
}

function verifying(options: FetchFileOptions, fromCache: boolean): (loaded: number, total: number) => void {
  return (loaded, total) =>
    options.onProgress({ phase: "verify", file: options.file, loaded, total, fromCache });
}
