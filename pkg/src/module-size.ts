import type { ModuleSize } from "./types.js";

/** The parts of the browser's record of a request that are read, so that it can be tried without a browser. */
export interface RequestRecord {
  readonly encodedBodySize?: number;
  readonly decodedBodySize?: number;
}

/**
 * What the browser recorded of the latest request for an address. Undefined when it recorded nothing, or hides the
 * sizes because the file came from another origin.
 */
export function moduleSize(
  url: string,
  records: (url: string) => RequestRecord[] = recorded,
): ModuleSize | undefined {
  const { encodedBodySize = 0, decodedBodySize = 0 } = records(url).at(-1) ?? {};
  return decodedBodySize > 0 ? { bytes: decodedBodySize, encodedBytes: encodedBodySize } : undefined;
}

function recorded(url: string): RequestRecord[] {
  return performance.getEntriesByName(url, "resource") as PerformanceResourceTiming[];
}
