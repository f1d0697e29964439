import { abortError, throwIfAborted } from "./abort.js";
import { type CachedFile, CacheStore, cacheKey, sweep, withEntryLock } from "./cache.js";
import { chunksMatch, type NewSha256, verifyBlob } from "./digest.js";
import { download } from "./download.js";
import { isTrap, LexigraftError, toLexigraftError } from "./errors.js";
import type { Fetch } from "./fetch-ok.js";
import { type CachePlace, Receiver } from "./receiver.js";
import { CacheLost } from "./sink.js";
import { fetchable, type PortableSource } from "./source.js";
import type { LoadProgress, LoadWarning, ModelFile } from "./types.js";

/** A file on this machine, which needs no copy; undefined when the address is not of one. */
export type OpenFile = (url: string) => Promise<Blob> | undefined;

export interface FetchFileOptions {
  file: ModelFile;
  /** Name of the cache; undefined for none. */
  cache: string | undefined;
  /** Lower-case hexadecimal. */
  sha256: string | undefined;
  /** Where `hf:` addresses point; undefined for the usual hub. */
  hub?: string | undefined;
  /** Default `memory`. */
  whenFull?: "memory" | "fail" | undefined;
  signal: AbortSignal;
  newSha256: NewSha256;
  onProgress: (progress: LoadProgress) => void;
  onWarning: (warning: LoadWarning) => void;
  fetch?: Fetch | undefined;
  openFile?: OpenFile | undefined;
  /** For tests; the cache in use when absent. */
  openStore?: (name: string) => Promise<CacheStore | undefined>;
  /** For tests: the pause before the first retry. */
  retryMs?: number;
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
    if (source.kind === "blob") return await fromBlob(source.blob, options);
    return await fromUrl(fetchable(source.url, options.hub), options);
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
  if (store === undefined) return { blob: await fetchTo(url, options), fromCache: false };
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
      const makeRoom = () => sweep(store, name, key, true).catch(() => undefined);
      return { blob: await fetchTo(url, options, { store, key, makeRoom }), fromCache: false };
    } catch (error) {
      if (!(error instanceof CacheLost)) throw error;
      return { blob: await fetchTo(url, options), fromCache: false };
    }
  };
  return withEntryLock(name, key, options.signal, task).finally(turn);
}

/** Makes room. What cannot be removed only takes space; it never stops the load. */
async function tidy(store: CacheStore, name: string, key: string): Promise<void> {
  try {
    if (!(await store.resumable(key))) await store.drop(key);
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

async function fetchTo(url: string, options: FetchFileOptions, target?: CachePlace): Promise<Blob> {
  const { file, signal, onWarning, sha256, newSha256, whenFull = "memory" } = options;
  const receiver = new Receiver({ url, target, sha256, whenFull, newSha256, onWarning });
  connecting(options);
  try {
    const kept = await receiver.resume(verifying(options, true));
    throwIfAborted(signal);
    if (kept === undefined && target !== undefined) await target.store.drop(target.key);
    const bytes = await download(url, {
      signal,
      onProgress: (loaded, total) =>
        options.onProgress({ phase: "download", file, loaded, total, fromCache: false }),
      open: (head) => receiver.open(head),
      onSpoiled: () => receiver.spoil(),
      onRetry: (error) =>
        onWarning({ code: "connection-cut", message: `${error.message} The download is tried again.` }),
      trusting: sha256 !== undefined,
      keptElsewhere: target !== undefined,
      ...(kept ? { kept } : {}),
      ...(options.fetch ? { fetch: options.fetch } : {}),
      ...(options.retryMs === undefined ? {} : { retryMs: options.retryMs }),
    });
    const blob = await receiver.finish(bytes);
    throwIfAborted(signal);
    return blob;
  } catch (error) {
    // A person who cancels wants nothing of it; a connection comes back.
    const passing = error instanceof LexigraftError && ["network", "http"].includes(error.code);
    await receiver.giveUp(passing && !signal.aborted);
    throw error;
  } finally {
    receiver.free();
  }
}

function verifying(options: FetchFileOptions, fromCache: boolean): (loaded: number, total: number) => void {
  return (loaded, total) =>
    options.onProgress({ phase: "verify", file: options.file, loaded, total, fromCache });
}
