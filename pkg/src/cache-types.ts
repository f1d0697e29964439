export interface CacheOptions {
  /** Directory of the cache in the origin's private file system. Default `"lexigraft"`. */
  name?: string;
  /** As of {@link CreateOptions}; `delete` finds files by it. */
  hub?: string | URL;
}

export interface CacheEntry {
  url: string;
  bytes: number;
  sha256: string;
  /** ISO 8601. */
  storedAt: string;
}

/** How much is stored. */
export interface CacheUsage {
  /** Bytes of the files that `list` tells. */
  bytes: number;
  /** Bytes of downloads that were cut: loading the same address goes on with them, within a week. */
  unfinishedBytes: number;
  /** Bytes that all of this origin stores, as the browser estimates. Absent where it does not. */
  originBytes?: number;
  /** Bytes that this origin may store in all. Absent where the browser does not tell. */
  quotaBytes?: number;
}

/** The downloaded files of this origin. */
export interface ModelCache {
  /** Newest first; empty where the browser has no private file system. */
  list(): Promise<CacheEntry[]>;
  usage(): Promise<CacheUsage>;
  /** Resolves whether or not the address was cached. */
  delete(url: string | URL): Promise<void>;
  clear(): Promise<void>;
}
