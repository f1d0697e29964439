import { resolveAddress } from "./address.js";
import { LexigraftError } from "./errors.js";
import { hubUrl, isHubAddress, normalizeHubAddress } from "./hub.js";
import type { Source } from "./types.js";

/** A source in a form that a worker understands: whole addresses, and Blobs, which travel without a copy. */
export type PortableSource = { kind: "url"; url: string } | { kind: "blob"; blob: Blob };

/** Prepares a source for the engine. Addresses are resolved here: a worker's own base is its script. */
export function toPortable(source: Source, what: string): PortableSource {
  if (typeof source === "string" || source instanceof URL) return { kind: "url", url: resolveUrl(source) };
  if (source instanceof Blob) return { kind: "blob", blob: source };
  if (source instanceof ArrayBuffer) return { kind: "blob", blob: new Blob([source]) };
  if (source instanceof Uint8Array)
    return { kind: "blob", blob: new Blob([source as Uint8Array<ArrayBuffer>]) };
  throw new LexigraftError("invalid-argument", `The ${what} must be an address, a File, a Blob, or bytes.`);
}

/** An address as a whole URL, relative ones against the page; `hf:` ones stay so, since the hub may be a mirror. */
export function resolveUrl(url: string | URL): string {
  const text = String(url);
  if (text.trim() === "") throw new LexigraftError("invalid-argument", "An empty address was given.");
  if (isHubAddress(text)) return normalizeHubAddress(text);
  try {
    const resolved = resolveAddress(text);
    // The fragment is not sent to the server: it would only make two cache entries of one file.
    resolved.hash = "";
    return resolved.href;
  } catch (cause) {
    throw new LexigraftError("invalid-argument", `"${text}" is not an address.`, { cause });
  }
}

/** A resolved address as one that can be fetched. */
export function fetchable(url: string, hub: string | undefined): string {
  return isHubAddress(url) ? hubUrl(url, hub) : url;
}

/** The address of a hub, on the web only. */
export function resolveHub(hub: string | URL): string {
  const resolved = resolveUrl(hub);
  if (/^https?:/.test(resolved)) return resolved;
  throw new LexigraftError("invalid-argument", `"${resolved}" is no web address of a hub.`);
}

/** The address of a file in a model's directory. A query of the base is kept. */
export function fileIn(base: string | URL, file: string): string {
  const text = String(base);
  if (isHubAddress(text)) return normalizeHubAddress(`${text.trim().replace(/\/+$/, "")}/${file}`);
  const url = new URL(resolveUrl(base));
  url.pathname = `${url.pathname.replace(/\/+$/, "")}/${file}`;
  return url.href;
}
