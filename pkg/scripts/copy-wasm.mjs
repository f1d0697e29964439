// Puts the engine modules where the compiled scripts look for them: wasm/ -> dist/wasm/.
import { cp, rm, stat } from "node:fs/promises";
import { fileURLToPath } from "node:url";

const from = fileURLToPath(new URL("../wasm", import.meta.url));
const to = fileURLToPath(new URL("../dist/wasm", import.meta.url));

await rm(to, { recursive: true, force: true });
const built = await stat(from).catch(() => undefined);
if (built?.isDirectory()) {
  await cp(from, to, { recursive: true });
} else {
  console.warn(
    "pkg/wasm is not there: the scripts are built, the engine is not. Build it with `cargo xtask build`.",
  );
}
