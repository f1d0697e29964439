import type { App } from "../app.ts";
import { Cell, watchAll } from "../cell.ts";
import { el } from "../dom.ts";
import { Inspector } from "./inspector.ts";
import { Stats } from "./stats.ts";
import { TokenView } from "./token-view.ts";

/** A way of writing with the model: prompt or chat. */
export interface Mode {
  readonly element: HTMLElement;
  /** Where the shared Stop button goes while this mode is shown. */
  readonly toolbar: HTMLElement;
  /** The button that starts a run, so that focus can move between it and Stop. */
  readonly startButton: HTMLButtonElement;
  /** The text that the inspector shows when this mode comes up. */
  current(): TokenView | undefined;
  start(): Promise<void>;
  /** How the keyboard starts a run. */
  readonly hint: string;
}

/** The name of the key that goes with Enter. */
export const commandKey = /Mac|iPhone|iPad/.test(navigator.userAgent) ? "⌘" : "Ctrl";

/** What the modes share: figures, token inspector, Stop button, and the note beside it. */
export class Desk {
  readonly stats = new Stats();
  readonly inspector = new Inspector();
  readonly stop: HTMLButtonElement;
  readonly note = el("span", { class: "note", testid: "run-note" });
  readonly #app: App;
  readonly #hint = new Cell("");

  constructor(app: App) {
    const { session } = app;
    this.#app = app;
    this.stop = el(
      "button",
      {
        type: "button",
        testid: "stop",
        "aria-keyshortcuts": "Escape",
        on: { click: () => session.stopRun() },
      },
      "Stop",
    );
    watchAll([this.#hint, session.model, session.loading, session.running], () => {
      this.stop.disabled = !session.running.value;
      this.note.textContent = session.running.value
        ? "Esc stops"
        : session.loading.value
          ? "Loading the model…"
          : session.model.value
            ? this.#hint.value
            : "Load a model first.";
    });
  }

  /** Puts the shared button and note into a mode's toolbar. */
  enter({ toolbar, hint }: Mode): void {
    toolbar.append(this.stop, this.note);
    this.#hint.set(hint);
    this.stats.clear();
  }

  /** True when a run may start now. */
  get ready(): boolean {
    const { session } = this.#app;
    return session.model.value !== null && session.loading.value === null && !session.running.value;
  }

  /** Keeps a start button in step with the session. */
  gate(button: HTMLButtonElement, allowed: () => boolean = () => true): void {
    const { session } = this.#app;
    watchAll([session.model, session.loading, session.running], () => {
      button.disabled = !(this.ready && allowed());
    });
  }

  /** A view whose tokens this desk's inspector explains. */
  view(testid: string): TokenView {
    const view: TokenView = new TokenView(testid, (line) => {
      if (line !== undefined) this.inspect(view);
      this.inspector.describe(line);
    });
    return view;
  }

  inspect(view: TokenView | undefined): void {
    this.inspector.attach(view, this.#app.settings.showLogProbs);
  }
}
