/** A model that the page offers by name. */
export interface KnownModel {
  name: string;
  detail: string;
  /** Relative to the page. */
  path: string;
  ifMissing: string;
}

/** Served next to the page: `cargo xtask demo` puts the model cache under models/. */
export const defaultModel: KnownModel = {
  name: "SmolLM2 135M Instruct",
  detail: "98 MB, Q4_1",
  path: "models/smollm2-135m-instruct/SmolLM2-135M-Instruct.Q4_1.gguf",
  ifMissing:
    "This copy of the page is served without its model. Give a web address, drop a model file, or serve the page with “cargo xtask demo”.",
};

/** The files of one model, as a person picked or dropped them. */
export interface ModelFiles {
  weights?: File;
  tokenizer?: File;
  config?: File;
}

/**
 * Sorts picked files by their names. Whatever is not one of the JSON files of a model repository
 * counts as weights: the reader looks at the content and says what is wrong with it better than a
 * name can.
 */
export function sortFiles(files: Iterable<File>): ModelFiles {
  const sorted: ModelFiles = {};
  for (const file of files) {
    const name = file.name.toLowerCase();
    if (name.endsWith("tokenizer.json")) sorted.tokenizer ??= file;
    else if (name.endsWith("config.json")) {
      // tokenizer_config.json and generation_config.json lie beside it in every model repository.
      if (!/_config\.json$/.test(name)) sorted.config ??= file;
    } else sorted.weights ??= file;
  }
  return sorted;
}

/** The last part of an address, for people. */
export function nameOf(address: string): string {
  try {
    const last = new URL(address, document.baseURI).pathname.split("/").pop() ?? "";
    return decodeURIComponent(last) || address;
  } catch {
    return address;
  }
}

/** `hf:owner/repo/file` or `hf:owner/repo@revision/file`. */
export function isHubFile(address: string): boolean {
  return /^hf:(\/\/)?[\w.-]+\/[\w.-]+(@[^/@]+)?\/[^/]/i.test(address);
}

/** The address of a file in the same folder. */
export function besideOf(address: string, file: string): string {
  // Addresses on the hub are no base that the browser could resolve against.
  return isHubFile(address) ? address.replace(/[^/]*$/, file) : new URL(file, address).href;
}
