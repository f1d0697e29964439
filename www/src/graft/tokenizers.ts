/** A tokenizer that the page offers by name, or one that a person gave. */
export interface TokenizerSource {
  id: string;
  label: string;
  /** Relative to the page, or a file in hand. */
  from: string | File;
}

/** Served next to the page: `cargo xtask demo` puts the model cache under models/. */
export const offered: readonly TokenizerSource[] = [
  { id: "llama3", label: "Llama 3" },
  { id: "qwen3", label: "Qwen 3" },
  { id: "gpt4o", label: "GPT-4o" },
  { id: "gemma3", label: "Gemma 3" },
].map(({ id, label }) => ({ id, label, from: `models/tokenizers/${id}/tokenizer.json` }));

/** Whether dropped files are a tokenizer alone, not one beside its model. */
export function isTokenizerAlone(files: readonly File[]): boolean {
  return files.length === 1 && /tokenizer.*\.json$/i.test(files[0]?.name ?? "");
}
