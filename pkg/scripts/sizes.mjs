// What a page downloads: the modules and the scripts, as they are, and as servers compress them.
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

const dist = (name) => fileURLToPath(new URL(`../dist/${name}`, import.meta.url));
const number = new Intl.NumberFormat("en");
const files = [
  "wasm/cpu/lexigraft_bg.wasm",
  "wasm/cpu/lexigraft.js",
  "wasm/cpu-threads/lexigraft_bg.wasm",
  "wasm/cpu-threads/lexigraft.js",
  "wasm/gpu/lexigraft_bg.wasm",
  "wasm/gpu/lexigraft.js",
  "wasm/grammar/lexigraft_grammar.wasm",
  "inline.js",
  "node.js",
];

/** Brotli at the quality at which servers compress in advance, with the file's length as a hint. */
const brotli = (bytes) =>
  brotliCompressSync(bytes, {
    params: {
      [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY,
      [constants.BROTLI_PARAM_LGWIN]: constants.BROTLI_MAX_WINDOW_BITS,
      [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length,
    },
  });

const row = (name, ...sizes) =>
  console.log(`  ${name.padEnd(36)}${sizes.map((size) => size.padStart(12)).join("")}`);

row("bytes of", "as it is", "gzip", "brotli");
for (const name of files) {
  const bytes = await readFile(dist(name));
  const sizes = [bytes, gzipSync(bytes, { level: 9 }), brotli(bytes)];
  row(name, ...sizes.map(({ length }) => number.format(length)));
}
