import { LexigraftError, type LexigraftErrorCode } from "lexigraft";

/** An error as the panel shows it. */
export interface ShownError {
  code: string;
  title: string;
  message: string;
  next: string;
}

const otherFile = "Choose another file, or load the page's own model.";
const sideFiles =
  "Add the model's own tokenizer.json and config.json under “Tokenizer and config”, then load again.";
const reload = "Press Load to start again; if it comes back, reload the page.";

/** What each code means on this page, and what to do about it here. */
const explanations: Record<LexigraftErrorCode, { title: string; next: string }> = {
  "bad-checkpoint": {
    title: "The model file is damaged",
    next: "Download the file again and compare its size with the publisher's, or choose another file.",
  },
  "unsupported-format": {
    title: "This is not a model file this page can read",
    next: `GGUF (version 2 or 3) and safetensors files work. ${otherFile}`,
  },
  "unsupported-type": {
    title: "The model stores its weights in a type that is not supported",
    next: "Choose another quantization of the same model: Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q4_K, Q5_K, Q6_K, F16 and F32 work.",
  },
  "unsupported-architecture": {
    title: "This kind of model is not supported yet",
    next: "Choose a decoder of the Llama family, such as SmolLM2.",
  },
  "missing-tensor": { title: "The model file lacks a part of the model", next: otherFile },
  "bad-config": {
    title: "The model's configuration is not usable",
    next: `Check its config.json. ${otherFile}`,
  },
  "bad-tokenizer": { title: "The tokenizer is not usable", next: sideFiles },
  "tokenizer-missing": { title: "The model file has no tokenizer", next: sideFiles },
  "tokenizer-mismatch": { title: "The tokenizer belongs to another model", next: sideFiles },
  "bad-template": {
    title: "The model's chat template could not be used",
    next: "Use prompt mode with this model, or choose another one.",
  },
  "unsupported-tokenizer": {
    title: "This tokenizer's way of writing is not known",
    next: "Continue in the Generate tab, or load a model with a BPE tokenizer such as Llama's or Qwen's.",
  },
  "no-tokenization": {
    title: "The tokenizer cannot write this text",
    next: "Remove the character that it stopped at, or choose another model.",
  },
  "too-many-tokenizations": {
    title: "There are too many ways to write this text in tokens",
    next: "Shorten the text.",
  },
  "bad-constraint": {
    title: "The constraint could not be read",
    next: "Check the regular expression.",
  },
  "contradictory-constraints": {
    title: "Nothing fits the constraints",
    next: "Loosen the constraint, or change the text before it.",
  },
  "no-fill-in-the-middle": {
    title: "The model has no tokens for filling in the middle",
    next: "Choose a model that was trained for it, such as a code model.",
  },
  "prompt-too-long": {
    title: "The text is longer than the model's context",
    next: "Shorten the prompt, or start a new chat.",
  },
  "invalid-argument": {
    title: "A setting has a value that does not work",
    next: "Check the sampling settings, or press Reset beside them.",
  },
  "not-an-image": {
    title: "This is no picture that can be read",
    next: "PNG, JPEG, WebP and GIF files work.",
  },
  "empty-image": { title: "The picture holds nothing", next: "Choose another picture." },
  "image-too-large": {
    title: "The picture is too large",
    next: "Make it smaller first: up to 64 million pixels work.",
  },
  "animated-image": { title: "The picture is animated", next: "Save one frame of it by itself." },
  "cmyk-image": {
    title: "The picture has a printer's colours",
    next: "Convert it to RGB first.",
  },
  "unknown-method": {
    title: "There is no such way to reduce tokens",
    next: "Choose one of the list.",
  },
  "wrong-base-model": {
    title: "The hypernetwork was trained for another model",
    next: "Load the model that it belongs to, or choose another hypernetwork.",
  },
  integrity: {
    title: "The file is not the one that was expected",
    next: "Delete it under “Kept in this browser” and load it again.",
  },
  network: {
    title: "The download was interrupted",
    next: "Check the connection and the address, then press Load again.",
  },
  "not-found": {
    title: "There is no file at this address",
    next: "Check the address, or drop a model file onto the page.",
  },
  http: {
    title: "The server refused to send the file",
    next: "Check that the address is public and allows use from other pages (CORS), or download the file and drop it here.",
  },
  storage: {
    title: "The browser could not keep the file",
    next: "Free some space under “Kept in this browser”, or open the page outside private browsing.",
  },
  "no-webgpu": {
    title: "WebGPU is not available in this browser",
    next: "Choose Auto or CPU as the device. Recent versions of Chrome, Edge, Safari and Firefox have WebGPU.",
  },
  "device-lost": {
    title: "The graphics device stopped working",
    next: "Press Load to start again, or choose CPU as the device.",
  },
  "out-of-memory": {
    title: "There is not enough memory",
    next: "Unload the current model, close other tabs, set a shorter context length, or choose a smaller model.",
  },
  aborted: { title: "Stopped", next: "Nothing is wrong: start again whenever you like." },
  busy: { title: "The model is still busy", next: "Wait for the current text to end, or press Stop." },
  disposed: { title: "The model is no longer loaded", next: reload },
  "worker-failed": { title: "The background worker failed", next: reload },
  io: { title: "The file could not be read", next: "If it was moved or changed on disk, choose it again." },
  internal: { title: "Something went wrong inside Lexigraft", next: reload },
};

/** The code of an error, `internal` for anything that is not a LexigraftError. */
export function codeOf(error: unknown): LexigraftErrorCode {
  return error instanceof LexigraftError ? error.code : "internal";
}

/** True when the person, not a fault, ended the work. */
export function isAbort(error: unknown): boolean {
  return codeOf(error) === "aborted" || (error instanceof DOMException && error.name === "AbortError");
}

/** True when nothing that ran on this device can be used any more. */
export function losesDevice(error: unknown): boolean {
  return ["device-lost", "worker-failed", "disposed"].includes(codeOf(error));
}

/** Puts an error into words for the panel. */
export function explain(error: unknown): ShownError {
  const code = codeOf(error);
  // A newer package may know a code that this page does not.
  const { title, next } = explanations[code] ?? explanations.internal;
  const message = error instanceof Error ? error.message : String(error);
  return { code, title, message: message || title, next };
}
