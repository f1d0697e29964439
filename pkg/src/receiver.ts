/** Where the bytes of a download go: through the hashes, and into the cache or into memory. */
import type { CacheStore } from "./cache.js";
import { CHUNK_BYTES, type WriteChunk } from "./chunker.js";
import { chunkDigest, integrityError, type NewSha256, updateHash } from "./digest.js";
import type { KeptPart } from "./download.js";
import { readJournal } from "./journal.js";
import { type DownloadHead, validatorOf } from "./ranges.js";
import { CacheSink, MemorySink, type Sink } from "./sink.js";
import type { LoadWarning } from "./types.js";
import type { WasmSha256 } from "./wasm-module.js";

/** Where a cache keeps a file. */
export interface CachePlace {
  store: CacheStore;
  key: string;
  makeRoom: () => Promise<void>;
}

export interface ReceiverOptions {
  url: string;
  /** Where to keep the file; undefined for memory. */
  target: CachePlace | undefined;
  /** Lower-case hexadecimal. */
  sha256: string | undefined;
  whenFull: "memory" | "fail";
  newSha256: NewSha256;
  onWarning: (warning: LoadWarning) => void;
}

export class Receiver {
  #sink: Sink = new MemorySink();
  #hash: WasmSha256 | undefined;
  #chunks: string[] = [];
  #head: DownloadHead | undefined;
  #spoiled = false;

  constructor(private readonly options: ReceiverOptions) {}

  /** Begins with the first byte. What came before is thrown away. */
  async open(head: DownloadHead): Promise<WriteChunk> {
    const { target, sha256, newSha256 } = this.options;
    await this.#sink.discard();
    this.#sink = new MemorySink();
    this.#hash?.free();
    this.#hash = target !== undefined || sha256 !== undefined ? newSha256() : undefined;
    this.#chunks = [];
    this.#head = head;
    this.#spoiled = false;
    if (target !== undefined) this.#sink = await this.#cacheSink(target, head);
    return this.#write;
  }

  /**
   * Goes on with what an earlier download left, if there is such a thing and its chunks are whole. `onProgress` is
   * told the bytes that were read back.
   */
  async resume(onProgress: (bytes: number, total: number) => void): Promise<KeptPart | undefined> {
    const { target, url, sha256, newSha256 } = this.options;
    if (target === undefined || !(await target.store.resumable(target.key))) return undefined;
    const { store, key } = target;
    const entry = await readJournal(store, key, url);
    if (entry === undefined || (validatorOf(entry.head) === undefined && sha256 === undefined))
      return undefined;
    const { head, file, digests } = entry;
    const data = await store.read(file).catch(() => undefined);
    if (data === undefined) return undefined;
    this.#hash = newSha256();
    for (const digest of digests) {
      const at = this.#chunks.length * CHUNK_BYTES;
      const chunk = new Uint8Array(await data.slice(at, at + CHUNK_BYTES).arrayBuffer());
      if (chunk.byteLength !== CHUNK_BYTES || (await chunkDigest(chunk)) !== digest) break;
      updateHash(this.#hash, chunk);
      this.#chunks.push(digest);
      onProgress(at + CHUNK_BYTES, data.size);
    }
    const loaded = this.#chunks.length * CHUNK_BYTES;
    if (loaded === 0) return undefined;
    this.#head = head;
    this.#sink = await this.#cacheSink(target, head, { file, digests: this.#chunks });
    return { head, loaded, write: this.#write };
  }

  /** What was written cannot be relied on. */
  spoil(): void {
    this.#spoiled = true;
  }

  /** The whole file, once its hash was found to be the expected one. */
  async finish(bytes: number): Promise<Blob> {
    const { url, sha256: expected } = this.options;
    const sha256 = this.#hash?.hex() ?? "";
    if (expected !== undefined && sha256 !== expected) throw integrityError(url, expected, sha256);
    const { etag, lastModified } = this.#head ?? {};
    return this.#sink.finish({
      url,
      bytes,
      sha256,
      chunkBytes: CHUNK_BYTES,
      chunks: this.#chunks,
      ...(etag === undefined ? {} : { etag }),
      ...(lastModified === undefined ? {} : { lastModified }),
    });
  }

  /** Ends without the file. `resumable`: what is there may be gone on with. */
  async giveUp(resumable: boolean): Promise<void> {
    await (resumable && !this.#spoiled ? this.#sink.keep() : this.#sink.discard());
  }

  free(): void {
    this.#hash?.free();
    this.#hash = undefined;
  }

  readonly #write: WriteChunk = async (chunk) => {
    if (this.#hash !== undefined) updateHash(this.#hash, chunk);
    if (!(this.#sink instanceof CacheSink)) return this.#sink.write(chunk, "");
    const digest = await chunkDigest(chunk);
    this.#chunks.push(digest);
    await this.#sink.write(chunk, digest);
  };

  #cacheSink(
    place: CachePlace,
    head: DownloadHead,
    kept?: { file: string; digests: readonly string[] },
  ): Promise<CacheSink> {
    const { url, sha256, whenFull, onWarning } = this.options;
    const trusting = sha256 !== undefined;
    return CacheSink.open({
      ...place,
      url,
      head,
      ...(kept ? { kept } : {}),
      trusting,
      whenFull,
      warn: onWarning,
    });
  }
}
