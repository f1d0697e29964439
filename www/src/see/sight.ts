import type { LoadProgress, Seen, SeeOptions, Vision } from "lexigraft";
import { Cell } from "../cell.ts";
import { isAbort } from "../errors.ts";
import type { Session } from "../session.ts";
import type { Picture } from "./album.ts";

/** Served next to the page, as the language model is. */
const WEIGHTS = "models/vit-s-focus/vit_s_focus.onnx";
const IF_MISSING =
  "This copy of the page is served without its vision model. Drop an ONNX file of one, or serve the page with “cargo xtask demo”.";

export interface Looked {
  dense: Seen;
  reduced: Seen | undefined;
}

export type Work =
  | { kind: "loading"; progress: LoadProgress | undefined }
  | { kind: "seeing"; done: number; total: number };

/** The tab's model: loaded when the first picture is there, and again when the device was changed. */
export class Sight {
  readonly model = new Cell<Vision | null>(null);
  readonly work = new Cell<Work | null>(null);
  /** Weights of the person's own. */
  #weights: File | undefined;
  #abort: AbortController | undefined;
  #tail: Promise<unknown> = Promise.resolve();

  constructor(private readonly session: Session) {
    session.engine.watch(({ status }) => {
      // A model lives in the engine that loaded it.
      if (status !== "ready") this.#forget();
    });
  }

  async use(weights: File): Promise<void> {
    this.#weights = weights;
    this.#forget();
  }

  /** Stops what is under way. */
  stop(): void {
    this.#abort?.abort();
  }

  /** Sees a picture, dense if that was not done before, and reduced; undefined when it was stopped or failed. */
  async look(
    picture: Picture,
    options: Pick<SeeOptions, "size" | "crop">,
    reduce: string | undefined,
  ): Promise<Looked | undefined> {
    this.stop();
    const abort = new AbortController();
    this.#abort = abort;
    const turn = this.#tail.then(() => this.#look(picture, options, reduce, abort.signal));
    this.#tail = turn.catch(() => undefined);
    return turn;
  }

  async #look(
    picture: Picture,
    options: Pick<SeeOptions, "size" | "crop">,
    reduce: string | undefined,
    signal: AbortSignal,
  ): Promise<Looked | undefined> {
    if (signal.aborted) return undefined;
    this.session.error.set(null);
    try {
      const vision = await this.#load(signal);
      const key = keyOf(options);
      const see = (more: Pick<SeeOptions, "reduce">, first: boolean) => {
        const halves = reduce !== undefined && !picture.dense.has(key) ? 2 : 1;
        return vision.see(picture.source, {
          ...options,
          ...more,
          signal,
          onProgress: ({ done, total }) =>
            this.work.set({
              kind: "seeing",
              done: done + (first || halves === 1 ? 0 : total),
              total: total * halves,
            }),
        });
      };
      this.work.set({ kind: "seeing", done: 0, total: 1 });
      let dense = picture.dense.get(key);
      if (!dense) {
        dense = await see({}, true);
        if (reduce === undefined) picture.dense.set(key, dense);
      }
      const reduced = reduce === undefined ? undefined : await see({ reduce }, false);
      picture.dense.set(key, dense);
      return { dense, reduced };
    } catch (error) {
      if (!isAbort(error)) this.session.report(error);
      const shown = this.session.error.value;
      if (shown?.code === "not-found") this.session.error.set({ ...shown, next: IF_MISSING });
      return undefined;
    } finally {
      this.work.set(null);
    }
  }

  async #load(signal: AbortSignal): Promise<Vision> {
    if (this.model.value) return this.model.value;
    this.work.set({ kind: "loading", progress: undefined });
    const lexigraft = await this.session.lexigraft();
    const source = this.#weights ?? new URL(WEIGHTS, document.baseURI).href;
    const vision = await lexigraft.vision(source, {
      signal,
      onProgress: (progress) => this.work.set({ kind: "loading", progress }),
    });
    this.model.set(vision);
    void this.session.refreshStored();
    return vision;
  }

  #forget(): void {
    this.stop();
    const old = this.model.value;
    if (!old) return;
    this.model.set(null);
    void old.dispose();
  }
}

/** What a dense result depends on beside the picture. */
export function keyOf({ size, crop }: Pick<SeeOptions, "size" | "crop">): string {
  return `${size} ${crop}`;
}
