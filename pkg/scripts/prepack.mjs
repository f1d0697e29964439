// Completes the package before `npm pack`: the licences lie at the root of the repository.
import { copyFile, stat } from "node:fs/promises";
import { fileURLToPath } from "node:url";

const path = (relative) => fileURLToPath(new URL(relative, import.meta.url));

for (const file of ["LICENSE-MIT", "LICENSE-APACHE"])
  await copyFile(path(`../../${file}`), path(`../${file}`));
for (const kind of ["cpu", "cpu-threads", "gpu"]) {
  await stat(path(`../dist/wasm/${kind}/lexigraft_bg.wasm`)).catch(() => {
    console.error(`The ${kind} engine is missing from dist/wasm: run \`cargo xtask build\` first.`);
    process.exit(1);
  });
}
