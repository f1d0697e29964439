import { abortError, throwIfAborted } from "./abort.js";
import { LexigraftError } from "./errors.js";

export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

export interface FetchOptions {
  signal?: AbortSignal;
  fetch?: Fetch;
  /** Replaces the usual advice when the file cannot be had. */
  hint?: string;
}

/** Fetches an address and refuses everything that is not a file: other statuses, and web pages. */
export async function fetchOk(url: string, options: FetchOptions = {}): Promise<Response> {
  const { signal, hint } = options;
  throwIfAborted(signal);
  const doFetch: Fetch = options.fetch ?? ((input, init) => fetch(input, init));
  let response: Response;
  try {
    response = await doFetch(url, signal === undefined ? {} : { signal });
  } catch (cause) {
    if (signal?.aborted) throw abortError(signal);
    throw new LexigraftError("network", `${url} could not be fetched.`, {
      cause,
      hint: hint ?? "Check the connection and the address; another origin must allow this page (CORS).",
    });
  }
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
  return new LexigraftError(
    "http",
    `${url} was refused (HTTP ${status} ${response.statusText}).`.replace(" )", ")"),
    {
      hint: hint ?? advice,
    },
  );
}
