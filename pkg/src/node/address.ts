import { pathToFileURL } from "node:url";

/** Schemes have two letters at least: one letter and a colon begin a path on Windows. */
const SCHEME = /^[a-z][a-z0-9+.-]+:/i;

/** A whole URL of an address or a path; a relative one starts in the working directory. */
export function resolveAddress(text: string): URL {
  return SCHEME.test(text) ? new URL(text) : pathToFileURL(text);
}
