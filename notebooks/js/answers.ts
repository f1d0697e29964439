/** What a widget's page tells Python: values while they come, and all of them at the end until Python has them. */
import type { WidgetModel } from "./model.js";

/** Milliseconds between two messages while values change. */
const EVERY_MS = 80;
/** Milliseconds after which the end is told again; twice as many each time, so seven times in two minutes. */
const TELL_AGAIN_MS = 1_000;
const MOST_TELLINGS = 8;

/**
 * The answer to one request. Its values go as messages of their own: ipywidgets sends no second change of a trait before
 * the kernel has said that it is idle, which it may not while a cell waits for that very change.
 */
export class Answer {
  readonly #values: Record<string, unknown> = {};
  #changed = new Set<string>();
  #order = 0;
  #sentAt = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly model: WidgetModel,
    private readonly request: number,
  ) {}

  /** Shows values, and sends them now or with the next ones. */
  set(values: Record<string, unknown>, now = false): void {
    for (const [name, value] of Object.entries(values)) {
      this.model.set(name, value);
      this.#values[name] = value;
      this.#changed.add(name);
    }
    if (!now && performance.now() - this.#sentAt < EVERY_MS) return;
    this.#sentAt = performance.now();
    this.#send([...this.#changed], false);
    this.#changed = new Set();
  }

  /** Sends the last values with all that came before, again until Python says that it has them. */
  finish(values: Record<string, unknown>): void {
    for (const [name, value] of Object.entries(values)) {
      this.model.set(name, value);
      this.#values[name] = value;
    }
    const tell = (times: number): void => {
      if ((this.model.get("_finished") as number) >= this.request || times === MOST_TELLINGS) return;
      this.#send(Object.keys(this.#values), true);
      this.#timer = setTimeout(() => tell(times + 1), TELL_AGAIN_MS * 2 ** times);
    };
    tell(0);
  }

  /** Says no more: another request has taken its place. */
  close(): void {
    clearTimeout(this.#timer);
  }

  #send(names: string[], final: boolean): void {
    const values: Record<string, unknown> = {};
    const binary: string[] = [];
    const buffers: ArrayBufferView[] = [];
    for (const name of names) {
      const value = this.#values[name];
      if (value instanceof DataView) {
        binary.push(name);
        buffers.push(value);
      } else {
        values[name] = value;
      }
    }
    // A page that was loaded anew answers the same request, so that counting from one would not do.
    this.#order = Math.max(this.#order + 1, Date.now());
    const { request } = this;
    this.model.send(
      { type: "values", request, order: this.#order, values, binary, final },
      undefined,
      buffers,
    );
  }
}
