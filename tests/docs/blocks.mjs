// The code blocks of the documentation.
import { readdir, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** Pages that others are made of, or that are made of others. */
const MADE = new Set(["changelog.md", "third-party.md"]);

/** Every page that a reader copies from, by its path from the root. */
export async function pages() {
  const docs = (await readdir(join(root, "docs"))).filter((name) => name.endsWith(".md") && !MADE.has(name));
  return [
    "README.md",
    "THIRD_PARTY.md",
    "CHANGELOG.md",
    "pkg/README.md",
    ...docs.sort().map((name) => `docs/${name}`),
  ];
}

export async function read(page) {
  return readFile(join(root, page), "utf8");
}

/** The fenced blocks of a page: language, text, and the line of their first line, from 0. */
export function blocksOf(text) {
  const blocks = [];
  let open;
  for (const [at, line] of text.split("\n").entries()) {
    const fence = /^(\s*)```(\S*)/.exec(line);
    if (fence === null) {
      open?.lines.push(line.slice(open.indent));
    } else if (open === undefined) {
      open = { language: fence[2], indent: fence[1].length, line: at + 1, lines: [] };
    } else {
      blocks.push({ language: open.language, line: open.line, text: open.lines.join("\n") });
      open = undefined;
    }
  }
  return blocks;
}
