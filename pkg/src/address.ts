/** Node's build puts node/address.ts in the place of this. */

/** A whole URL of an address as a page gives it. Throws when it is none. */
export function resolveAddress(text: string): URL {
  // A worker has no document, only its own address.
  return new URL(text, globalThis.document?.baseURI ?? globalThis.location?.href);
}
