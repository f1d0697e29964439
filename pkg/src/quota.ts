/** The room that the browser gives this origin. */
import type { CacheStore } from "./cache.js";
import { LexigraftError } from "./errors.js";

export interface Shortage {
  /** Bytes that were to be stored. */
  needed: number | undefined;
  /** Bytes that the browser still has for this origin, as it estimates. */
  available: number | undefined;
}

/** Bytes this origin stores and may store; undefined where the browser does not say. */
export async function estimate(storage: StorageManager): Promise<{ usage?: number; quota?: number }> {
  try {
    return await storage.estimate();
  } catch {
    return {};
  }
}

/** What lacks for `needed` more bytes; undefined when they fit, or nobody knows. */
export async function shortage(store: CacheStore, needed: number | undefined): Promise<Shortage | undefined> {
  const { usage, quota } = await estimate(store.storage);
  if (quota === undefined || usage === undefined || needed === undefined) return undefined;
  const available = Math.max(0, quota - usage);
  return needed > available ? { needed, available } : undefined;
}

/** True for the error a full disk or quota gives. */
export function isQuotaError(error: unknown): boolean {
  return error instanceof DOMException && error.name === "QuotaExceededError";
}

export function shortageText({ needed, available }: Shortage): string {
  const has = available === undefined ? "no room left" : `room for ${megabytes(available)}`;
  return needed === undefined
    ? `The browser's storage has ${has} on this site.`
    : `The file needs ${megabytes(needed)}, and the browser's storage has ${has} on this site.`;
}

export function quotaError(lack: Shortage, cause?: unknown): LexigraftError {
  const { needed, available } = lack;
  return new LexigraftError("storage", shortageText(lack), {
    cause,
    hint: 'Delete files from the cache, free space on the disk, or load without whenFull: "fail".',
    details: {
      ...(needed === undefined ? {} : { needed }),
      ...(available === undefined ? {} : { available }),
    },
  });
}

/** Decimal units, as browsers and disks count. */
function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
