/** Addresses of files on the Hugging Face hub, or on a mirror of it. */
import { LexigraftError } from "./errors.js";

/** Where `hf:` addresses point when nothing else was said. */
export const HUB = "https://huggingface.co";

const SYNTAX = "Write hf:owner/repo/file, or hf:owner/repo@revision/file.";
const NAME = /^[A-Za-z0-9][\w.-]*$/;

export function isHubAddress(text: string): boolean {
  return /^\s*hf:/i.test(text);
}

/** The address in one way of writing: `hf:owner/repo@revision/file`, each part percent-encoded. */
export function normalizeHubAddress(text: string): string {
  const wrong = (why: string) =>
    new LexigraftError("invalid-argument", `"${text}" is no address on the hub: ${why}.`, { hint: SYNTAX });
  const path = text.trim().replace(/^hf:(?:\/\/)?/i, "");
  const [owner = "", repository = "", ...folders] = path.split("/");
  const [name = "", revision = "main", ...more] = repository.split("@");
  if (!NAME.test(owner)) throw wrong("it begins with the owner's name");
  if (!NAME.test(name)) throw wrong("the owner is followed by the repository's name");
  if (revision === "" || more.length > 0) throw wrong("the revision after @ is a branch, a tag or a commit");
  if (folders.length === 0 || folders.some((part) => part === "" || /^\.\.?$/.test(part))) {
    throw wrong("the repository is followed by the path of a file");
  }
  return `hf:${owner}/${name}@${encoded(revision)}/${folders.map(encoded).join("/")}`;
}

/** The web address of a normalized address. */
export function hubUrl(address: string, hub: string = HUB): string {
  const [, owner, name, revision, path] = /^hf:([^/]+)\/([^@]+)@([^/]+)\/(.+)$/.exec(address) ?? [];
  const base = new URL(hub);
  base.pathname = `${base.pathname.replace(/\/+$/, "")}/${owner}/${name}/resolve/${revision}/${path}`;
  return base.href;
}

/** Revisions such as `refs/pr/1` are written with their slashes encoded: what is encoded stays so. */
function encoded(part: string): string {
  try {
    return encodeURIComponent(decodeURIComponent(part));
  } catch {
    return encodeURIComponent(part);
  }
}
