// Makes the notebook package's JavaScript: the engine as one file, and the small script of the widgets.
import { copyFile, mkdir, stat } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const path = (relative) => fileURLToPath(new URL(`../${relative}`, import.meta.url));
const engine = path("../pkg/dist/inline.js");
const folder = path("src/lexigraft/static");

const exists = (file) =>
  stat(file).then(
    () => true,
    () => false,
  );

if (!(await exists(engine))) {
  throw new Error("pkg/dist/inline.js is missing: run `cargo xtask build`.");
}
await mkdir(folder, { recursive: true });
await copyFile(engine, `${folder}/engine.js`);
await build({
  entryPoints: [path("js/widget.ts")],
  outfile: `${folder}/widget.js`,
  bundle: true,
  format: "esm",
  target: "es2022",
  charset: "utf8",
  minify: true,
  legalComments: "none",
  logLevel: "warning",
});
// The build of a wheel takes licences from the package's own folder.
const licences = ["LICENSE-MIT", "LICENSE-APACHE"];
for (const name of licences) await copyFile(path(`../${name}`), path(name));
// `cargo xtask pack` writes the notices of the crates that the engine is linked from.
const notices = path("../pkg/THIRD_PARTY_LICENSES");
if (await exists(notices)) await copyFile(notices, path("THIRD_PARTY_LICENSES"));
