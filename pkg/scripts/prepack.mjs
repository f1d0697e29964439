// Completes the package before `npm pack`: the licences lie at the root of the repository.
import { copyFile, stat } from "node:fs/promises";
import { fileURLToPath } from "node:url";

const path = (relative) => fileURLToPath(new URL(relative, import.meta.url));

for (const file of ["LICENSE-MIT", "LICENSE-APACHE"])
  await copyFile(path(`../../${file}`), path(`../${file}`));
for (const file of [
  "cpu/lexigraft_bg.wasm",
  "cpu-threads/lexigraft_bg.wasm",
  "gpu/lexigraft_bg.wasm",
  "grammar/lexigraft_grammar.wasm",
]) {
  await stat(path(`../dist/wasm/${file}`)).catch(() => {
    console.error(`${file} is missing from dist/wasm: run \`cargo xtask build\` first.`);
    process.exit(1);
  });
}
