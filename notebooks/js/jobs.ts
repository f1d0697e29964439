/** What each widget does. The names of values are the traits of src/lexigraft/widgets.py. */
import type { GenerateOptions, GraftMethod, LanguageModel, Seen, Vision } from "lexigraft/inline";
import { JobError } from "./model.js";

/** What a job may use. */
export interface Context {
  readonly signal: AbortSignal;
  get(name: string): unknown;
  /** Values for the view and for Python; they are sent now and then, and at the end. */
  set(values: Record<string, unknown>): void;
  /** The engine has what it needs. */
  begin(): void;
  model(kind: "language" | "vision"): Promise<LanguageModel | Vision>;
  /** A file that was given, or undefined. */
  file(name: string): Promise<string | Blob | ImageData | undefined>;
  tell(phase: string, loaded: number, total: number | undefined): void;
}

/** Floats travel as they are in memory: JSON has no infinity. */
const packed = (values: Float32Array): DataView => {
  const copy = Float32Array.from(values);
  return new DataView(copy.buffer);
};

const text = (value: unknown): string => (typeof value === "string" ? value : "");

/** A text that may be bytes, which arrive as a view. */
function byteText(value: unknown): string | Uint8Array {
  if (value instanceof DataView)
    return new Uint8Array(value.buffer, value.byteOffset, value.byteLength).slice();
  return text(value);
}

async function generate(context: Context): Promise<void> {
  context.set({ text: "", ids: [], prompt_ids: [], tokens_per_second: null, reason: "" });
  const model = (await context.model("language")) as LanguageModel;
  context.begin();
  const number = (name: string) => context.get(name) as number;
  const seed = context.get("seed") as number | null;
  const options: GenerateOptions = {
    signal: context.signal,
    maxTokens: number("max_tokens"),
    temperature: number("temperature"),
    topK: number("top_k"),
    topP: number("top_p"),
    stop: context.get("stop_texts") as string[],
    ...(seed === null ? {} : { seed }),
  };
  const prompt = text(context.get("prompt"));
  const generation =
    context.get("chat") === true
      ? model.chat([{ role: "user", content: prompt }], options)
      : model.generate(prompt, options);
  let written = "";
  try {
    for await (const piece of generation) {
      written += piece.text;
      context.set({ text: written });
    }
  } finally {
    // What was written before an abort is kept.
    const result = await generation.result.catch(() => undefined);
    if (result !== undefined) {
      context.set({
        text: result.text,
        ids: [...result.ids],
        prompt_ids: [...result.promptIds],
        tokens_per_second: result.tokensPerSecond ?? null,
        reason: result.reason,
      });
    }
  }
}

async function bytes(context: Context): Promise<void> {
  const nothing = packed(new Float32Array());
  context.set({ log_probs: nothing, log_prob: null, per_byte: nothing, bits_per_byte: null });
  const model = (await context.model("language")) as LanguageModel;
  context.begin();
  const beam = context.get("beam") as number;
  const estimand = context.get("estimand") as "canonical" | "all";
  const byteModel = await model.bytes({ estimand, ...(beam > 0 ? { beam } : {}) });
  const { signal } = context;
  try {
    const prefix = byteText(context.get("prefix"));
    const { logProbs } = await byteModel.nextByte(prefix, { signal });
    context.set({ log_probs: packed(logProbs) });
    const wanted = byteText(context.get("text"));
    if (wanted.length === 0) return;
    const score = await byteModel.score(wanted, {
      prefix,
      signal,
      onProgress: ({ done, total }) => context.tell("score", done, total),
    });
    context.set({
      log_prob: score.logProb,
      per_byte: packed(score.perByte),
      bits_per_byte: score.bitsPerByte,
    });
  } finally {
    await byteModel.dispose();
  }
}

async function graft(context: Context): Promise<void> {
  const none = { bits_before: null, bits_after: null, tokens_before: null, tokens_after: null };
  context.set({ report: {}, ...none });
  const model = (await context.model("language")) as LanguageModel;
  const tokenizer = await context.file("tokenizer");
  if (tokenizer === undefined || tokenizer instanceof ImageData) {
    throw new JobError(
      "tokenizer-missing",
      "A graft needs a tokenizer.",
      "Set `tokenizer` to a tokenizer.json.",
    );
  }
  const hypernetwork = await context.file("hypernetwork");
  context.begin();
  const { signal } = context;
  const grafted = await model.graft(tokenizer, {
    method: context.get("method") as GraftMethod,
    lossy: context.get("lossy") === true,
    signal,
    ...(hypernetwork === undefined || hypernetwork instanceof ImageData ? {} : { hypernetwork }),
    onProgress: ({ phase, done, total }) => context.tell(phase, done, total),
  });
  try {
    context.set({ report: { ...grafted.report } });
    const sample = text(context.get("text"));
    if (sample === "") return;
    const onProgress = ({ done, total }: { done: number; total: number }) =>
      context.tell("score", done, total);
    const before = await model.score(sample, { signal, onProgress });
    context.set({ bits_before: before.bitsPerByte, tokens_before: before.tokens });
    const after = await grafted.score(sample, { signal, onProgress });
    context.set({ bits_after: after.bitsPerByte, tokens_after: after.tokens });
  } finally {
    await grafted.dispose();
  }
}

async function see(context: Context): Promise<void> {
  const nothing = packed(new Float32Array());
  context.set({ embedding: nothing, heat: nothing, heat_shape: [], tokens: [], patch_tokens: [] });
  context.set({ macs: null, dense_macs: null, milliseconds: null });
  const model = (await context.model("vision")) as Vision;
  const image = await context.file("image");
  if (image === undefined) throw new JobError("empty-image", "There is no picture.", "Set `image`.");
  context.begin();
  const reduce = text(context.get("reduce"));
  const seen: Seen = await model.see(image, {
    size: context.get("size") as number,
    crop: context.get("crop") as "center" | "pad",
    signal: context.signal,
    ...(reduce === "" ? {} : { reduce }),
    onProgress: ({ done, total }) => context.tell("blocks", done, total),
  });
  context.set({
    embedding: packed(seen.embedding),
    heat: packed(seen.heat ?? new Float32Array()),
    heat_shape: seen.heat === undefined ? [] : [seen.height, seen.width],
    tokens: seen.tokens.map(({ before, after }) => [before, after]),
    patch_tokens: [...(seen.maps.at(-1) ?? [])],
    macs: seen.macs,
    dense_macs: seen.denseMacs,
    milliseconds: seen.totalMs,
  });
}

export const jobs: Record<string, (context: Context) => Promise<void>> = { generate, bytes, graft, see };
