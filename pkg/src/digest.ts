import { throwIfAborted } from "./abort.js";
import { CHUNK_BYTES } from "./chunker.js";
import { LexigraftError } from "./errors.js";
import type { WasmSha256 } from "./wasm-module.js";

export type NewSha256 = () => WasmSha256;

/** Bytes copied into the engine's memory at once: it should not grow for the sake of a hash. */
const UPDATE_BYTES = 256 * 1024;

/** Feeds a large chunk to the engine's hash in small bites. */
export function updateHash(hash: WasmSha256, chunk: Uint8Array): void {
  for (let at = 0; at < chunk.byteLength; at += UPDATE_BYTES)
    hash.update(chunk.subarray(at, at + UPDATE_BYTES));
}

/** SHA-256 of one chunk by the browser itself, which is much faster than the engine but cannot continue a hash. */
export async function chunkDigest(chunk: BufferSource): Promise<string> {
  return toHex(new Uint8Array(await crypto.subtle.digest("SHA-256", chunk)));
}

export function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Lower-cases an expected hash; anything but 64 hexadecimal digits is the caller's mistake. */
export function parseSha256(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  if (!/^[0-9a-f]{64}$/i.test(text)) {
    throw new LexigraftError("invalid-argument", "sha256 must be 64 hexadecimal digits.");
  }
  return text.toLowerCase();
}

export interface VerifyOptions {
  signal: AbortSignal;
  onProgress: (loaded: number, total: number) => void;
}

/** True when every chunk of the file has its recorded digest. */
export async function chunksMatch(
  blob: Blob,
  digests: readonly string[],
  chunkBytes: number,
  options: VerifyOptions,
): Promise<boolean> {
  if (digests.length !== Math.ceil(blob.size / chunkBytes)) return false;
  for (const [index, digest] of digests.entries()) {
    const end = Math.min((index + 1) * chunkBytes, blob.size);
    const chunk = await blob.slice(index * chunkBytes, end).arrayBuffer();
    throwIfAborted(options.signal);
    const matches = (await chunkDigest(chunk)) === digest;
    throwIfAborted(options.signal);
    if (!matches) return false;
    options.onProgress(end, blob.size);
  }
  return true;
}

/** Hashes a whole file and refuses it when it is not the expected one. */
export async function verifyBlob(
  blob: Blob,
  expected: string,
  newSha256: NewSha256,
  options: VerifyOptions,
): Promise<void> {
  const hash = newSha256();
  try {
    for (let at = 0; at < blob.size; at += CHUNK_BYTES) {
      const end = Math.min(at + CHUNK_BYTES, blob.size);
      const chunk = await blob.slice(at, end).arrayBuffer();
      throwIfAborted(options.signal);
      updateHash(hash, new Uint8Array(chunk));
      options.onProgress(end, blob.size);
    }
    const actual = hash.hex();
    if (actual !== expected) throw integrityError("The file", expected, actual);
  } finally {
    hash.free();
  }
}

export function integrityError(what: string, expected: string, actual: string): LexigraftError {
  return new LexigraftError(
    "integrity",
    `${what} is not the expected one: its SHA-256 is ${actual}, not ${expected}.`,
    {
      hint: "The file changed or was damaged on the way: get it again, or correct the expected sha256.",
    },
  );
}
