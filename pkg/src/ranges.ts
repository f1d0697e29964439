/** Asking for the rest of a file, and telling whether an answer is the rest of that same file. */

/** What a server says of a file before its bytes. */
export interface DownloadHead {
  /** Bytes the server announced for the body; undefined when it did not, or compresses on the way. */
  total: number | undefined;
  etag: string | undefined;
  lastModified: string | undefined;
}

export function headOf(response: Response): DownloadHead {
  return {
    total: contentLength(response),
    etag: response.headers.get("etag") ?? undefined,
    lastModified: response.headers.get("last-modified") ?? undefined,
  };
}

/** What names this version of a file byte by byte. A weak ETag does not. */
export function validatorOf({ etag, lastModified }: Omit<DownloadHead, "total">): string | undefined {
  return strong(etag) ?? lastModified;
}

/** The headers that ask for the rest of a file. */
export function rangeHeaders(url: string, from: number, head: DownloadHead): Record<string, string> {
  const validator = validatorOf(head);
  return {
    range: `bytes=${from}-`,
    // Other origins would be asked first whether they allow this header, and most do not: there the answer's own
    // ETag and date decide.
    ...(validator !== undefined && ownOrigin(url) ? { "if-range": validator } : {}),
  };
}

/**
 * Whether an answer is the rest, from the byte `from` on, of the file that `head` describes. Other origins may hide
 * the headers that would tell; without any that does, only `trusting` takes it, because a hash is going to tell.
 */
export function continues(response: Response, from: number, head: DownloadHead, trusting: boolean): boolean {
  if (response.status !== 206 || response.headers.has("content-encoding")) return false;
  if (!fits(response, from, head.total)) return false;
  const now = headOf(response);
  const [before, after] = [strong(head.etag), strong(now.etag)];
  if (before !== undefined && after !== undefined) return before === after;
  if (head.lastModified !== undefined && now.lastModified !== undefined) {
    return head.lastModified === now.lastModified;
  }
  return trusting;
}

function fits(response: Response, from: number, total: number | undefined): boolean {
  const said = response.headers.get("content-range");
  if (said === null) {
    const length = contentLength(response);
    return total !== undefined && length !== undefined && from + length === total;
  }
  const [, first, , whole] = /^bytes\s+(\d+)-(\d+)\/(\d+|\*)$/i.exec(said.trim()) ?? [];
  if (first === undefined || Number(first) !== from) return false;
  return whole === "*" || total === undefined || Number(whole) === total;
}

/** The whole file's size, from an answer with a part of it. */
export function totalOf(response: Response): number | undefined {
  const whole = /\/(\d+)$/.exec(response.headers.get("content-range") ?? "")?.[1];
  return whole === undefined ? undefined : Number(whole);
}

function contentLength(response: Response): number | undefined {
  // The announced length of a compressed body says nothing about the bytes that arrive here.
  if (response.headers.has("content-encoding")) return undefined;
  const text = response.headers.get("content-length");
  if (text === null || !/^\d+$/.test(text)) return undefined;
  const bytes = Number(text);
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

function strong(etag: string | undefined): string | undefined {
  return etag?.startsWith('"') ? etag : undefined;
}

function ownOrigin(url: string): boolean {
  const { origin } = globalThis as { origin?: string };
  return origin === undefined || new URL(url).origin === origin;
}
