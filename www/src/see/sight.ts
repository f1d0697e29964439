import type { LoadProgress, Seen, SeeOptions, Vision } from "lexigraft";
import { summary } from "../bench/statistics.ts";
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

/** Milliseconds of a dense and a reduced run: medians of runs in turns. */
export interface Timed {
  rounds: number;
  dense: { blocks: number; all: number };
  reduced: { blocks: number; all: number };
}

/** Rounds of a timing, after one that does not count. */
const ROUNDS = 5;

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
    return this.#next((signal) => this.#look(picture, options, reduce, signal));
  }

  /** Runs the picture dense and reduced in turns; undefined when it was stopped or failed. */
  async time(
    picture: Picture,
    options: Pick<SeeOptions, "size" | "crop">,
    reduce: string,
  ): Promise<Timed | undefined> {
    return this.#next((signal) =>
      this.#guarded(async () => {
        const vision = await this.#load(signal);
        const runs: { dense: Seen; reduced: Seen }[] = [];
        for (let round = 0; round <= ROUNDS; round += 1) {
          this.work.set({ kind: "seeing", done: round, total: ROUNDS + 1 });
          const dense = await vision.see(picture.source, { ...options, signal });
          const reduced = await vision.see(picture.source, { ...options, reduce, signal });
          if (round > 0) runs.push({ dense, reduced });
        }
        const times = (which: "dense" | "reduced") => ({
          blocks: summary(runs.map((run) => run[which].backboneMs))?.median ?? 0,
          all: summary(runs.map((run) => run[which].totalMs))?.median ?? 0,
        });
        return { rounds: ROUNDS, dense: times("dense"), reduced: times("reduced") };
      }),
    );
  }

  /** Stops what runs and goes next. */
  #next<T>(work: (signal: AbortSignal) => Promise<T | undefined>): Promise<T | undefined> {
    this.stop();
    const abort = new AbortController();
    this.#abort = abort;
    const turn = this.#tail.then(() => (abort.signal.aborted ? undefined : work(abort.signal)));
    this.#tail = turn.catch(() => undefined);
    return turn;
  }

  /** Faults go to the error panel and give undefined. */
  async #guarded<T>(work: () => Promise<T>): Promise<T | undefined> {
    this.session.error.set(null);
    try {
      return await work();
    } catch (error) {
      if (!isAbort(error)) this.session.report(error);
      const shown = this.session.error.value;
      if (shown?.code === "not-found") this.session.error.set({ ...shown, next: IF_MISSING });
      return undefined;
    } finally {
      this.work.set(null);
    }
  }

  async #look(
    picture: Picture,
    options: Pick<SeeOptions, "size" | "crop">,
    reduce: string | undefined,
    signal: AbortSignal,
  ): Promise<Looked | undefined> {
    return this.#guarded(async () => {
      const vision = await this.#load(signal);
      const key = keyOf(options);
      let dense = picture.dense.get(key);
      const halves = dense === undefined && reduce !== undefined ? 2 : 1;
      const see = (more: Pick<SeeOptions, "reduce">, half: number) =>
        vision.see(picture.source, {
          ...options,
          ...more,
          signal,
          onProgress: ({ done, total }) =>
            this.work.set({ kind: "seeing", done: done + half * total, total: total * halves }),
        });
      this.work.set({ kind: "seeing", done: 0, total: 1 });
      if (!dense) {
        dense = await see({}, 0);
        picture.dense.set(key, dense);
      }
      return { dense, reduced: reduce === undefined ? undefined : await see({ reduce }, halves - 1) };
    });
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
