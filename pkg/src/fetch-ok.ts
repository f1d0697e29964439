import { abortError, throwIfAborted } from "./abort.js";
import { LexigraftError } from "./errors.js";

export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

export interface FetchOptions {
  signal?: AbortSignal;
  fetch?: Fetch;
  /** Replaces the usual advice when the file cannot be had. */
  hint?: string;
  headers?: Record<string, string>;
  /** A status that is no failure to the caller. */
  allow?: number;
  /** How the browser's own cache takes part. */
  cache?: RequestCache;
}

/** Failures that may go away by themselves, and how long the server asks to wait, in milliseconds. */
const passing = new WeakMap<LexigraftError, number>();

/** Says of an error that another try may succeed. */
export function mayPass(error: LexigraftError, waitMs = 0): LexigraftError {
  passing.set(error, waitMs);
  return error;
}

/** How long to wait before another try, at least; undefined when there is no use in one. */
export function waitBeforeRetry(error: unknown): number | undefined {
  return error instanceof LexigraftError ? passing.get(error) : undefined;
}

/** Fetches an address and refuses everything that is not a file: other statuses, and web pages. */
export async function fetchOk(url: string, options: FetchOptions = {}): Promise<Response> {
  const { signal, hint, headers, cache } = options;
  throwIfAborted(signal);
  const doFetch: Fetch = options.fetch ?? ((input, init) => fetch(input, init));
  let response: Response;
  try {
    response = await doFetch(url, {
      // Workers do not take over the page's policy, and where a page is need not be told to the host of a model.
      referrerPolicy: "no-referrer",
      ...(signal === undefined ? {} : { signal }),
      ...(headers === undefined ? {} : { headers }),
      ...(cache === undefined ? {} : { cache }),
    });
  } catch (cause) {
    if (signal?.aborted) throw abortError(signal);
    const error = new LexigraftError("network", `${url} could not be fetched.`, {
      cause,
      hint: hint ?? "Check the connection and the address; another origin must allow this page (CORS).",
    });
    // A browser that knows it is offline will not be online a second later.
    throw globalThis.navigator?.onLine === false ? error : mayPass(error);
  }
  if (response.status === options.allow) return response;
  if (response.ok && !isWebPage(response)) return response;
  await response.body?.cancel().catch(() => undefined);
  throw response.ok ? webPageError(url, hint) : statusError(url, response, hint);
}

/** A model file is never HTML; a web page means that the server answered with its index instead. */
export function webPageError(url: string, hint?: string): LexigraftError {
  return new LexigraftError("not-found", `${url} is a web page, not a file.`, {
    hint: hint ?? "Servers of single-page sites answer so for a path that does not exist: check the address.",
  });
}

function isWebPage(response: Response): boolean {
  return /^\s*(text\/html|application\/xhtml\+xml)\b/i.test(response.headers.get("content-type") ?? "");
}

function statusError(url: string, response: Response, hint: string | undefined): LexigraftError {
  const { status } = response;
  if (status === 404 || status === 410) {
    return new LexigraftError("not-found", `${url} does not exist (HTTP ${status}).`, {
      hint: hint ?? "Check the address.",
    });
  }
  const advice =
    status === 401 || status === 403
      ? "The server wants a login or refuses this page; download the file and open it from disk."
      : status === 429 || status >= 500
        ? "The server is busy or broken; try again later."
        : "Check the address.";
  const error = new LexigraftError(
    "http",
    `${url} was refused (HTTP ${status} ${response.statusText}).`.replace(" )", ")"),
    { hint: hint ?? advice },
  );
  return [408, 429, 500, 502, 503, 504].includes(status) ? mayPass(error, retryAfter(response)) : error;
}

/** The longest that a server may make a page wait. */
const LONGEST_WAIT_MS = 30_000;

/** `Retry-After` in milliseconds; 0 when there is none, or a date. */
function retryAfter(response: Response): number {
  const seconds = Number(response.headers.get("retry-after") ?? 0);
  return Number.isFinite(seconds) ? Math.min(Math.max(0, seconds * 1000), LONGEST_WAIT_MS) : 0;
}
