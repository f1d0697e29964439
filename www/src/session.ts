import {
  type ByteModel,
  type CacheEntry,
  type CacheUsage,
  type DeviceInfo,
  type EngineMemory,
  type EnsembleOptions,
  type LanguageModel,
  Lexigraft,
  openCache,
  type Source,
} from "lexigraft";
import { Cell } from "./cell.ts";
import { explain, isAbort, losesDevice, type ShownError } from "./errors.ts";
import { Rate } from "./rate.ts";
import type { DeviceChoice } from "./settings.ts";

/** Where a model comes from: an absolute address or files in hand. */
export interface ModelSource {
  label: string;
  weights: Source;
  tokenizer?: Source | undefined;
  config?: Source | undefined;
  contextLength?: number | undefined;
  /** What to do when there is no file at the address, where there is more to say than usual. */
  ifMissing?: string | undefined;
}

export type EngineState =
  | { status: "starting"; choice: DeviceChoice }
  | { status: "ready"; choice: DeviceChoice; device: DeviceInfo }
  | { status: "failed"; choice: DeviceChoice };

export interface LoadedModel {
  lm: LanguageModel;
  /** Where `lm` is a graft: the model that was loaded. */
  original?: LanguageModel | undefined;
  source: ModelSource;
  fromCache: boolean;
  seconds: number;
  /** What did not go as well as it could, such as a full cache. */
  warnings: string[];
}

export interface LoadState {
  label: string;
  phase: "start" | "download" | "verify" | "load";
  loaded: number;
  total: number | undefined;
  /** Bytes a second, once known. */
  rate: number | undefined;
  fromCache: boolean;
}

/** The downloaded files that the browser keeps. */
export interface Stored {
  entries: CacheEntry[];
  usage: CacheUsage;
}

/**
 * The one device and the one model that all tabs share. Every fault ends in `error`; the session
 * stays usable after each.
 */
export class Session {
  readonly engine: Cell<EngineState>;
  readonly model = new Cell<LoadedModel | null>(null);
  readonly loading = new Cell<LoadState | null>(null);
  readonly running = new Cell(false);
  readonly error = new Cell<ShownError | null>(null);
  readonly stored = new Cell<Stored>({ entries: [], usage: { bytes: 0, unfinishedBytes: 0 } });

  /** It needs no engine: what is stored can be deleted when no device works. */
  readonly #cache = openCache();
  #lexigraft: Lexigraft | undefined;
  #partner: { file: File; lexigraft: Lexigraft; lm: LanguageModel } | undefined;
  #starting: Promise<Lexigraft> | undefined;
  #load: { abort: AbortController; ended: Promise<unknown> } | undefined;
  #run: { abort: AbortController; ended: Promise<unknown> } | undefined;

  /** No engine starts before `ready`. */
  constructor(
    choice: DeviceChoice,
    private readonly ready: Promise<void> = Promise.resolve(),
  ) {
    this.engine = new Cell<EngineState>({ status: "starting", choice });
  }

  /** Starts the chosen device; a remembered choice that this browser lacks falls back to Auto. */
  async start(): Promise<void> {
    const { choice } = this.engine.value;
    try {
      await this.#ensure(choice);
    } catch (error) {
      this.report(error);
      if (choice !== "auto") await this.#ensure("auto").catch((second) => this.report(second));
    }
    await this.refreshStored();
  }

  /**
   * Changes the device. The old one keeps working until the new one is there; a loaded model is
   * then loaded again on the new device. Returns whether the change worked.
   */
  async changeDevice(choice: DeviceChoice): Promise<boolean> {
    await this.#stopAll();
    const before = this.engine.value;
    const old = this.#lexigraft;
    const source = this.model.value?.source;
    this.#lexigraft = undefined;
    this.#starting = undefined;
    this.error.set(null);
    try {
      await this.#ensure(choice);
    } catch (error) {
      this.#lexigraft = old;
      this.#starting = old && Promise.resolve(old);
      this.engine.set(before);
      // Not report: whatever befell the new device, the old one is well.
      this.error.set(explain(error));
      return false;
    }
    this.model.set(null);
    await quietly(old?.dispose());
    if (source) await this.load(source);
    return true;
  }

  /**
   * Loads a model and then puts the old one away: a file that turns out to be wrong costs nothing.
   * Returns whether a new model is there.
   */
  async load(source: ModelSource): Promise<boolean> {
    await this.stopRun();
    // A loop, and nothing awaited after it: of two loads asked for at once, the later one wins.
    while (this.#load) await this.#stopLoad();
    const abort = new AbortController();
    const ended = this.#loadWith(source, abort);
    this.#load = { abort, ended };
    return ended;
  }

  async #loadWith(source: ModelSource, abort: AbortController): Promise<boolean> {
    this.error.set(null);
    const rate = new Rate();
    const began = performance.now();
    const warnings: string[] = [];
    let fromCache = false;
    this.loading.set({
      label: source.label,
      phase: "start",
      loaded: 0,
      total: undefined,
      rate: undefined,
      fromCache,
    });
    try {
      const lexigraft = await this.#ensure(this.engine.value.choice);
      abort.signal.throwIfAborted();
      const lm = await lexigraft.languageModel(source.weights, {
        ...(source.tokenizer && { tokenizer: source.tokenizer }),
        ...(source.config && { config: source.config }),
        ...(source.contextLength && { contextLength: source.contextLength }),
        signal: abort.signal,
        onProgress: (progress) => {
          if (abort.signal.aborted) return;
          if (progress.file === "weights") fromCache = progress.fromCache;
          this.loading.set({
            label: source.label,
            phase: progress.phase,
            loaded: progress.loaded,
            total: progress.total,
            // Phases count their own bytes: the rate starts afresh when the count falls.
            rate: rate.push(progress.loaded, performance.now()),
            fromCache: progress.fromCache,
          });
        },
        onWarning: (warning) => warnings.push(warning.message),
      });
      if (abort.signal.aborted) {
        await quietly(lm.dispose());
        return false;
      }
      const old = this.model.value;
      this.model.set({ lm, source, fromCache, seconds: (performance.now() - began) / 1000, warnings });
      await discard(old);
      return true;
    } catch (error) {
      if (!isAbort(error)) this.report(error);
      const shown = this.error.value;
      if (shown?.code === "not-found" && source.ifMissing)
        this.error.set({ ...shown, next: source.ifMissing });
      return false;
    } finally {
      this.loading.set(null);
      this.#load = undefined;
      await this.refreshStored();
    }
  }

  cancelLoad(): void {
    this.#load?.abort.abort();
  }

  async unload(): Promise<void> {
    await this.#stopAll();
    const old = this.model.value;
    this.model.set(null);
    await discard(old);
  }

  /** All tabs use a graft of the model, or with null the model itself again. */
  async wear(graft: LanguageModel | null): Promise<void> {
    await this.stopRun();
    const now = this.model.value;
    if (!now) return;
    const original = now.original ?? now.lm;
    this.model.set(graft ? { ...now, lm: graft, original } : { ...now, lm: original, original: undefined });
  }

  /**
   * Runs one piece of work on the model; a second one waits until the first has stopped. Faults go
   * to `error` and give undefined.
   */
  async run<T>(work: (lm: LanguageModel, signal: AbortSignal) => Promise<T>): Promise<T | undefined> {
    while (this.#run) await this.stopRun();
    const lm = this.model.value?.lm;
    if (!lm) return undefined;
    const abort = new AbortController();
    const ended = work(lm, abort.signal);
    const mine = { abort, ended: quietly(ended) };
    this.#run = mine;
    this.error.set(null);
    this.running.set(true);
    try {
      return await ended;
    } catch (error) {
      if (!isAbort(error)) this.report(error);
      return undefined;
    } finally {
      if (this.#run === mine) {
        this.#run = undefined;
        this.running.set(false);
      }
    }
  }

  /** A second model from a file in hand, beside the loaded one; the last one is kept for the next call. */
  async partner(file: File): Promise<LanguageModel> {
    const lexigraft = await this.#ensure(this.engine.value.choice);
    const old = this.#partner;
    if (old?.file === file && old.lexigraft === lexigraft) return old.lm;
    this.#partner = undefined;
    await quietly(old?.lm.dispose());
    const lm = await lexigraft.languageModel(file);
    this.#partner = { file, lexigraft, lm };
    return lm;
  }

  async ensemble(models: LanguageModel[], options: EnsembleOptions): Promise<ByteModel> {
    const lexigraft = await this.#ensure(this.engine.value.choice);
    return lexigraft.ensemble(models, options);
  }

  /** Stops the work in progress, if any, and waits for its end. */
  async stopRun(): Promise<void> {
    this.#run?.abort.abort();
    await this.#run?.ended;
  }

  /** The engine, started if it is not yet. */
  lexigraft(): Promise<Lexigraft> {
    return this.#ensure(this.engine.value.choice);
  }

  /** What the engine takes; undefined where it cannot tell. */
  async memory(): Promise<EngineMemory | undefined> {
    return quietly(this.#lexigraft?.memory());
  }

  async deleteStored(url?: string): Promise<void> {
    try {
      await (url === undefined ? this.#cache.clear() : this.#cache.delete(url));
    } catch (error) {
      this.report(error);
    }
    await this.refreshStored();
  }

  async refreshStored(): Promise<void> {
    // A cache that cannot be listed is as good as empty, and no reason for an error panel.
    const entries = (await quietly(this.#cache.list())) ?? [];
    const usage = (await quietly(this.#cache.usage())) ?? { bytes: 0, unfinishedBytes: 0 };
    this.stored.set({ entries, usage });
  }

  /** Shows an error; a lost device takes its model along and is started again on the next load. */
  report(error: unknown): void {
    this.error.set(explain(error));
    if (!losesDevice(error)) return;
    const old = this.#lexigraft;
    this.#lexigraft = undefined;
    this.#starting = undefined;
    this.model.set(null);
    this.engine.set({ status: "failed", choice: this.engine.value.choice });
    void quietly(old?.dispose());
  }

  async #stopAll(): Promise<void> {
    await this.#stopLoad();
    await this.stopRun();
  }

  async #stopLoad(): Promise<void> {
    this.cancelLoad();
    await quietly(this.#load?.ended);
  }

  #ensure(choice: DeviceChoice): Promise<Lexigraft> {
    this.#starting ??= this.#create(choice);
    return this.#starting;
  }

  async #create(choice: DeviceChoice): Promise<Lexigraft> {
    this.engine.set({ status: "starting", choice });
    try {
      await this.ready;
      const lexigraft = await Lexigraft.create({ device: choice });
      this.#lexigraft = lexigraft;
      this.engine.set({ status: "ready", choice, device: lexigraft.device });
      return lexigraft;
    } catch (error) {
      this.#starting = undefined;
      this.engine.set({ status: "failed", choice });
      throw error;
    }
  }
}

/** Puts a model away, and what it was grafted from. */
async function discard(model: LoadedModel | null): Promise<void> {
  await quietly(model?.lm.dispose());
  await quietly(model?.original?.dispose());
}

/** Waits for a promise whose failure changes nothing, such as freeing what is already lost. */
async function quietly<T>(promise: Promise<T> | undefined): Promise<T | undefined> {
  try {
    return await promise;
  } catch {
    return undefined;
  }
}
