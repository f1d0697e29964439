/** What anywidget calls: `initialize` once for each widget, `render` for each place where it is shown. */
import { Answer } from "./answers.js";
import { type FileRecord, Kernel } from "./files.js";
import { type Context, jobs } from "./jobs.js";
import { JobError, throwIfAborted, toRecord, type WidgetModel } from "./model.js";
import { acquire, engine, enqueue, type Loading, leave, read } from "./page.js";
import { render as show } from "./view.js";

/** Answers the requests of one widget, the newest only. */
class Answerer {
  readonly #kernel: Kernel;
  #current: { request: number; answer: Answer; abort: AbortController } | undefined;

  constructor(private readonly model: WidgetModel) {
    this.#kernel = new Kernel(model);
    model.on("change:_request", () => this.#consider());
    model.on("change:_stop", () => this.#considerStop());
    // A request may be older than this page's end of the widget.
    this.#consider();
  }

  close(): void {
    this.#end();
    void enqueue(() => leave(this));
  }

  #end(): void {
    this.#current?.abort.abort();
    this.#current?.answer.close();
    this.#current = undefined;
  }

  #consider(): void {
    const request = this.model.get("_request") as number;
    if (request <= (this.model.get("_finished") as number) || request === this.#current?.request) return;
    this.#end();
    const answer = new Answer(this.model, request);
    const current = { request, answer, abort: new AbortController() };
    this.#current = current;
    const isCurrent = () => this.#current === current;
    const set = (values: Record<string, unknown>, now = false): void => {
      if (isCurrent()) answer.set(values, now);
    };
    const finish = (values: Record<string, unknown>): void => {
      if (isCurrent()) answer.finish({ ...values, progress: {} });
    };
    this.#considerStop();
    set({ status: "waiting", error: null, progress: {} }, true);
    enqueue(() => this.#answer(current.abort.signal, set)).then(
      () => finish({ status: "done" }),
      (error) => finish({ status: "failed", error: toRecord(error) }),
    );
  }

  #considerStop(): void {
    if (this.#current && (this.model.get("_stop") as number) >= this.#current.request) {
      this.#current.abort.abort();
    }
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
