import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../", import.meta.url));

/** The built page, the built package, and the pages that only the tests use. */
export const folders = {
  page: join(root, "www", "dist"),
  package: join(root, "pkg", "dist"),
  packageRoot: join(root, "pkg"),
  testPages: join(root, "tests", "browser", "pages"),
  pictures: join(root, "crates", "vision", "tests", "fixtures"),
  hypernetworks: join(root, "assets", "hypernetwork"),
  benchPages: join(root, "tests", "bench"),
  nodeModules: join(root, "node_modules"),
  bundlerTemplates: join(root, "tests", "bundlers"),
  root,
  models: process.env.LEXIGRAFT_MODELS || join(cache(), "models"),
  /** What `cargo xtask test` installs to try the package with. */
  bundlers: process.env.LEXIGRAFT_BUNDLERS || join(cache(), "bundlers"),
  /** The virtual environment with JupyterLab and the notebook package in it. */
  jupyter: process.env.LEXIGRAFT_JUPYTER || join(cache(), "jupyter"),
  /** What `cargo xtask bench` installs and exports; the tests do not need it. */
  peers: process.env.LEXIGRAFT_PEERS || join(cache(), "peers"),
};

/** Model files, relative to the models folder. */
export const models = {
  smollm2: "smollm2-135m-instruct/SmolLM2-135M-Instruct.Q4_1.gguf",
  minilm: "all-minilm-l6-v2",
  vit: "vit-s-focus/vit_s_focus.onnx",
};

function cache() {
  const { LEXIGRAFT_CACHE, XDG_CACHE_HOME } = process.env;
  return LEXIGRAFT_CACHE || join(XDG_CACHE_HOME || join(homedir(), ".cache"), "lexigraft");
}

/** What an independent implementation computed; see the file's own `source`. */
export async function reference(name) {
  return JSON.parse(await readFile(join(root, "tests", "reference", `${name}.json`), "utf8"));
}
