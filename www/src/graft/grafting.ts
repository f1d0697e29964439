import type {
  ExportOptions,
  GraftedModel,
  GraftMethod,
  GraftProgress,
  LanguageModel,
  Lexigraft,
  Tokenizer,
} from "lexigraft";
import { Cell } from "../cell.ts";
import { isAbort } from "../errors.ts";
import type { Session } from "../session.ts";
import type { TokenizerSource } from "./tokenizers.ts";

export interface Chosen {
  source: TokenizerSource;
  tokenizer: Tokenizer;
}

export interface Grafted {
  lm: GraftedModel;
  original: LanguageModel;
  label: string;
  seconds: number;
}

/** Made for the page's own model; other models refuse it. */
const hypernetwork = new URL("../../../assets/hypernetwork/smollm2-135m.safetensors", import.meta.url).href;

/** The tokenizer that was chosen and the graft that was made with it. */
export class Grafting {
  readonly chosen = new Cell<Chosen | null>(null);
  readonly loading = new Cell(false);
  readonly grafted = new Cell<Grafted | null>(null);
  readonly progress = new Cell<GraftProgress | null>(null);
  #load: AbortController | undefined;
  #lexigraft: Lexigraft | undefined;

  constructor(private readonly session: Session) {
    // A graft goes with the model that it was made of, a tokenizer with its engine.
    session.model.watch(() => {
      if (this.grafted.value && this.grafted.value.original !== this.original) void this.#forget();
    });
    session.engine.watch(({ status }) => {
      const held = this.chosen.value;
      if (status !== "ready" || held === null) return;
      void session.lexigraft().then((lexigraft) => {
        if (lexigraft !== this.#lexigraft) void this.choose(held.source);
      });
    });
  }

  /** The model as it was loaded. */
  get original(): LanguageModel | undefined {
    const loaded = this.session.model.value;
    return loaded?.original ?? loaded?.lm;
  }

  /** Whether the other tabs use the graft. */
  get worn(): boolean {
    return this.grafted.value !== null && this.session.model.value?.lm === this.grafted.value.lm;
  }

  /**
   * Reads a tokenizer in place of the last one; of two asked for at once the later one wins. `unasked`: nobody has
   * chosen yet, so that a page without tokenizers is no error.
   */
  async choose(source: TokenizerSource, unasked = false): Promise<void> {
    this.#load?.abort();
    const load = new AbortController();
    this.#load = load;
    this.loading.set(true);
    if (!unasked) this.session.error.set(null);
    try {
      const lexigraft = await this.session.lexigraft();
      const from = typeof source.from === "string" ? new URL(source.from, document.baseURI) : source.from;
      const tokenizer = await lexigraft.tokenizer(from, { signal: load.signal });
      await this.drop();
      const old = this.chosen.value;
      this.#lexigraft = lexigraft;
      this.chosen.set({ source, tokenizer });
      await old?.tokenizer.dispose();
      void this.session.refreshStored();
    } catch (error) {
      if (!isAbort(error) && !unasked) this.session.report(error);
    } finally {
      if (this.#load === load) this.loading.set(false);
    }
  }

  /** Grafts, then lets `look` use the result in the same run. */
  async graft(
    method: GraftMethod,
    lossy: boolean,
    look: (grafted: Grafted, signal: AbortSignal) => Promise<void>,
  ): Promise<void> {
    await this.drop();
    await this.session.run(async (_, signal) => {
      const [chosen, original] = [this.chosen.value, this.original];
      if (!chosen || !original) return;
      const began = performance.now();
      try {
        const lm = await original.graft(chosen.tokenizer, {
          method,
          lossy,
          signal,
          ...(method.startsWith("hypernetwork") ? { hypernetwork } : {}),
          onProgress: (progress) => this.progress.set(progress),
        });
        const seconds = (performance.now() - began) / 1000;
        this.grafted.set({ lm, original, label: chosen.source.label, seconds });
      } finally {
        this.progress.set(null);
      }
      if (this.grafted.value) await look(this.grafted.value, signal);
    });
  }

  /** The other tabs use the graft, or the original again. */
  async wear(graft: boolean): Promise<void> {
    await this.session.wear(graft ? (this.grafted.value?.lm ?? null) : null);
  }

  async export(options: ExportOptions): Promise<File[] | undefined> {
    return this.session.run(async (_, signal) => this.grafted.value?.lm.export({ ...options, signal }));
  }

  /** Puts the graft away. */
  async drop(): Promise<void> {
    if (this.worn) await this.wear(false);
    await this.#forget();
  }

  async #forget(): Promise<void> {
    const old = this.grafted.value;
    this.grafted.set(null);
    await old?.lm.dispose();
  }
}
