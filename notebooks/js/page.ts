/** What the widgets of a page share: one engine, its models, and a queue, since the engine does one job at a time. */
import type { LanguageModel, Lexigraft, Vision } from "lexigraft/inline";
import { type FileRecord, type Kernel, readServed } from "./files.js";
import { JobError, throwIfAborted } from "./model.js";

export type Loaded = LanguageModel | Vision;

interface Shared {
  engine: Promise<Lexigraft> | undefined;
  /** By the kind of the model and its file's key. */
  models: Map<string, { model: Loaded; users: Set<object> }>;
  tail: Promise<unknown>;
}

// Every widget imports this script anew, so what they share hangs on the page itself.
const NAME = Symbol.for("lexigraft.notebook.1");
const holder = globalThis as unknown as Record<symbol, Shared | undefined>;
holder[NAME] ??= { engine: undefined, models: new Map(), tail: Promise.resolve() };
const shared: Shared = holder[NAME];

/** Runs a task when those before it have ended. */
export function enqueue<T>(task: () => Promise<T>): Promise<T> {
  const run = shared.tail.then(task);
  shared.tail = run.catch(() => undefined);
  return run;
}

export interface Loading {
  kernel: Kernel;
  signal: AbortSignal;
  tell(phase: string, loaded: number, total: number | undefined): void;
}

/** The engine; its script comes from Python once for the page. */
export async function engine(file: FileRecord, { kernel, signal, tell }: Loading): Promise<Lexigraft> {
  const started = await shared.engine?.catch(() => undefined);
  if (started !== undefined) return started;
  if (file.kind !== "sent") throw new JobError("internal", "The engine comes from Python.");
  const script = await kernel.read(file, signal, (loaded, total) => tell("engine", loaded, total));
  shared.engine = start(script);
  return shared.engine;
}

async function start(script: Blob): Promise<Lexigraft> {
  const address = URL.createObjectURL(new Blob([script], { type: "text/javascript" }));
  try {
    const module = (await import(/* @vite-ignore */ address)) as typeof import("lexigraft/inline");
    return await module.Lexigraft.create();
  } finally {
    URL.revokeObjectURL(address);
  }
}

/** A model that stays loaded as long as a widget uses it. */
export async function acquire(
  kind: "language" | "vision",
  file: FileRecord,
  lexigraft: Lexigraft,
  user: object,
  loading: Loading,
): Promise<Loaded> {
  const name = `${kind} ${file.key}`;
  await leave(user, name);
  let entry = shared.models.get(name);
  if (entry === undefined) {
    const source = await read(file, loading);
    if (source instanceof ImageData) throw new JobError("internal", "Pixels are no model.");
    const options = {
      signal: loading.signal,
      onProgress: (told: { phase: string; loaded: number; total: number | undefined }) =>
        loading.tell(told.phase, told.loaded, told.total),
    };
    const model =
      kind === "language"
        ? await lexigraft.languageModel(source, options)
        : await lexigraft.vision(source, options);
    entry = { model, users: new Set() };
    shared.models.set(name, entry);
  }
  entry.users.add(user);
  return entry.model;
}

/** Ends a widget's use of all models but one; those that nobody uses any more are freed. */
export async function leave(user: object, except?: string): Promise<void> {
  for (const [name, { model, users }] of shared.models) {
    if (name === except || !users.delete(user) || users.size > 0) continue;
    shared.models.delete(name);
    await model.dispose();
  }
}

/** A file in the form that the engine takes. */
export async function read(
  file: FileRecord,
  { kernel, signal, tell }: Loading,
): Promise<string | Blob | ImageData> {
  throwIfAborted(signal);
  if (file.kind === "url") return file.url;
  if (file.kind === "served") return readServed(file.path, signal);
  const blob = await kernel.read(file, signal, (loaded, total) => tell("kernel", loaded, total));
  if (file.pixels === undefined) return blob;
  const { width, height } = file.pixels;
  return new ImageData(new Uint8ClampedArray(await blob.arrayBuffer()), width, height);
}
