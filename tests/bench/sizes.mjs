import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import { folders } from "../support/paths.mjs";

/** What a visitor downloads of each module, as it is and compressed. */
export async function moduleSizes() {
  const sizes = {};
  for (const [name, file] of [
    ["cpu", "lexigraft_bg.wasm"],
    ["cpu-threads", "lexigraft_bg.wasm"],
    ["gpu", "lexigraft_bg.wasm"],
    ["grammar", "lexigraft_grammar.wasm"],
  ]) {
    const bytes = await readFile(join(folders.package, "wasm", name, file));
    // Quality 9 is within a few percent of the best and takes seconds instead of minutes.
    const brotli = brotliCompressSync(bytes, {
      params: { [constants.BROTLI_PARAM_QUALITY]: 9, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length },
    });
    sizes[name] = { raw: bytes.length, gzip: gzipSync(bytes, { level: 9 }).length, brotli: brotli.length };
  }
  return sizes;
}
