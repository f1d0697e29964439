/** What anywidget calls: `initialize` once for each widget, `render` for each place where it is shown. */
import { type FileRecord, Kernel } from "./files.js";
import { type Context, jobs } from "./jobs.js";
import { JobError, throwIfAborted, toRecord, type WidgetModel } from "./model.js";
import { acquire, engine, enqueue, type Loading, leave, read } from "./page.js";
import { render as show } from "./view.js";

/** Milliseconds between two messages to Python while values change. */
const EVERY_MS = 80;

/** Answers the requests of one widget, the newest only. */
class Answerer {
  readonly #kernel: Kernel;
  #current: { request: number; abort: AbortController } | undefined;
  #sent = 0;

  constructor(private readonly model: WidgetModel) {
    this.#kernel = new Kernel(model);
    model.on("change:_request", () => this.#consider());
    model.on("change:_stop", () => this.#current?.abort.abort());
    // A request may be older than this page's end of the widget.
    this.#consider();
  }

  close(): void {
    this.#current?.abort.abort();
    this.#current = undefined;
    void enqueue(() => leave(this));
  }

  #consider(): void {
    const request = this.model.get("_request") as number;
    if (request <= (this.model.get("_finished") as number) || request === this.#current?.request) return;
    this.#current?.abort.abort();
    const current = { request, abort: new AbortController() };
    this.#current = current;
    const isCurrent = () => this.#current === current;
    const set = (values: Record<string, unknown>, now = false): void => {
      if (!isCurrent()) return;
      for (const [name, value] of Object.entries(values)) this.model.set(name, value);
      if (!now && performance.now() - this.#sent < EVERY_MS) return;
      this.#sent = performance.now();
      this.model.save_changes();
    };
    set({ status: "waiting", error: null, progress: {} }, true);
    const finish = (values: Record<string, unknown>) => {
      set({ ...values, progress: {}, _finished: request }, true);
      if (isCurrent()) this.#current = undefined;
    };
    enqueue(() => this.#answer(current.abort.signal, set)).then(
      () => finish({ status: "done" }),
      (error) => finish({ status: "failed", error: toRecord(error) }),
    );
  }

  async #answer(
    signal: AbortSignal,
    set: (values: Record<string, unknown>, now?: boolean) => void,
  ): Promise<void> {
    throwIfAborted(signal);
    const { model } = this;
    const run = jobs[model.get("_job") as string];
    if (run === undefined) throw new JobError("internal", `There is no job ${String(model.get("_job"))}.`);
    const files = model.get("_files") as Record<string, FileRecord | undefined>;
    const loading: Loading = {
      kernel: this.#kernel,
      signal,
      tell: (phase, loaded, total) => set({ progress: { phase, loaded, total: total ?? null } }),
    };
    set({ status: "loading" }, true);
    if (files.engine === undefined) throw new JobError("internal", "The engine is missing.");
    if (files.model === undefined) {
      throw new JobError(
        "invalid-argument",
        "There is no model.",
        "Set `model` to an address, a path or bytes.",
      );
    }
    const { engine: script, model: weights } = files;
    const lexigraft = await engine(script, loading);
    set({ device: lexigraft.device.reason });
    const context: Context = {
      signal,
      get: (name) => model.get(name),
      set: (values) => set(values),
      begin: () => set({ status: "running", progress: {} }, true),
      model: (kind) => acquire(kind, weights, lexigraft, this, loading),
      file: async (name) => {
        const file = files[name];
        return file === undefined ? undefined : read(file, loading);
      },
      tell: loading.tell,
    };
    await run(context);
  }
}

export default {
  initialize({ model }: { model: WidgetModel }): () => void {
    const answerer = new Answerer(model);
    return () => answerer.close();
  },
  render({ model, el }: { model: WidgetModel; el: HTMLElement }): () => void {
    return show(model, el);
  },
};
