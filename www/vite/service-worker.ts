import { readdir, readFile, writeFile } from "node:fs/promises";
import { join, relative, sep } from "node:path";
import type { Plugin } from "vite";

const NAME = "service-worker";
/** Engines and samples are large, and a visit needs few of them. */
const SHELL = /\.(js|css|svg)$/;
/** Kept by the package, in the origin's private file system. */
const MODEL = /^models\/|\.(safetensors|gguf|onnx)$/;

/**
 * Builds the service worker beside the page, under a name that stays, and tells it the files of the build. `vite dev`
 * has none.
 */
export function serviceWorker(): Plugin {
  return {
    name: "lexigraft-service-worker",
    apply: "build",
    config: ({ root = process.cwd() }) => ({
      build: {
        rolldownOptions: {
          input: { index: join(root, "index.html"), [NAME]: join(root, NAME, "index.ts") },
          output: {
            entryFileNames: ({ name }) => (name === NAME ? `${NAME}.js` : "assets/[name]-[hash].js"),
          },
        },
      },
    }),
    // Only now are the files of the package's workers there, and those of public/.
    async writeBundle({ dir }) {
      if (dir === undefined) throw new Error("the build has no folder");
      const script = join(dir, `${NAME}.js`);
      const all = (await readdir(dir, { recursive: true, withFileTypes: true }))
        .filter((entry) => entry.isFile())
        .map((entry) => relative(dir, join(entry.parentPath, entry.name)).split(sep).join("/"))
        .filter((file) => ![`${NAME}.js`, "index.html"].includes(file) && !MODEL.test(file))
        .sort();
      const files = {
        shell: all.filter((file) => SHELL.test(file)),
        others: all.filter((file) => !SHELL.test(file)),
      };
      const code = await readFile(script, "utf8");
      if (!code.includes("__FILES__")) throw new Error("the service worker has no place for the files");
      if (/^\s*(import|export)\b/m.test(code)) throw new Error("the service worker is not one script");
      await writeFile(script, `const __FILES__=${JSON.stringify(files)};${code}`);
    },
  };
}
