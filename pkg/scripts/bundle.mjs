// Builds `lexigraft/node` and `lexigraft/inline`: the same sources, with other modules in a few places.
import { readFile, stat, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const path = (relative) => fileURLToPath(new URL(`../${relative}`, import.meta.url));
const wasm = path("wasm/cpu/lexigraft_bg.wasm");

/** Puts modules of a folder in the places of those with the same names. */
const instead = (folder, ...names) => ({
  name: "instead",
  setup({ onResolve }) {
    onResolve({ filter: new RegExp(`^\\./(${names.join("|")})\\.js$`) }, ({ path: asked, resolveDir }) =>
      `${resolveDir}/` === path("src/")
        ? { path: path(`src/${folder}/${asked.replace(".js", ".ts")}`) }
        : undefined,
    );
  },
});

/** The engine's modules stay where copy-wasm.mjs puts them. */
const engineOutside = {
  name: "engine-outside",
  setup({ onResolve }) {
    onResolve({ filter: /\/wasm\/[a-z-]+\/lexigraft\.js$/ }, ({ path: asked }) => ({
      path: asked.replace(/^.*\/wasm\//, "./wasm/"),
      external: true,
    }));
  },
};

/** For the single file, which has nothing beside it. */
const engineInside = {
  name: "engine-inside",
  setup({ onResolve }) {
    onResolve({ filter: /\/wasm\/cpu\/lexigraft\.js$/ }, () => ({ path: path("wasm/cpu/lexigraft.js") }));
  },
};

const common = {
  bundle: true,
  target: "es2022",
  charset: "utf8",
  legalComments: "none",
  logLevel: "warning",
};

async function node() {
  await build({
    ...common,
    entryPoints: {
      node: path("src/index.ts"),
      "node-worker": path("src/node/worker.ts"),
      "node-thread": path("src/node/thread.ts"),
    },
    outdir: path("dist"),
    format: "esm",
    platform: "node",
    plugins: [instead("node", "platform", "address"), engineOutside],
  });
}

async function inline() {
  const small = { ...common, minify: true, write: false };
  const worker = await build({
    ...small,
    entryPoints: [path("src/inline/worker.ts")],
    format: "iife",
    // The engine's script asks where it lies only when it is not given its module.
    define: { "import.meta.url": "undefined" },
    plugins: [engineInside],
  });
  const packed = gzipSync(await readFile(wasm), { level: 9 }).toString("base64");
  const page = await build({
    ...small,
    entryPoints: [path("src/index.ts")],
    format: "esm",
    define: {
      "import.meta.url": "undefined",
      INLINE_WORKER: JSON.stringify(worker.outputFiles[0].text.trim()),
      INLINE_WASM: JSON.stringify(packed),
    },
    plugins: [instead("inline", "platform"), engineInside],
  });
  const [{ text }] = page.outputFiles;
  await writeFile(path("dist/inline.js"), text);
}

await node();
if (await stat(wasm).catch(() => undefined)) await inline();
else console.warn("dist/inline.js needs the CPU engine: build it with `cargo xtask build`.");
for (const entry of ["node", "inline"]) {
  await writeFile(path(`dist/${entry}.d.ts`), 'export * from "./index.js";\n');
}
