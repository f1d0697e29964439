import { el } from "../dom.ts";
import type { TokenView } from "./token-view.ts";

const legend = ["≥ 80 %", "≥ 50 %", "≥ 20 %", "≥ 5 %", "< 5 %"];

/** The bar under the text that says what each shade means and describes the chosen token. */
export class Inspector {
  readonly element: HTMLElement;
  #view: TokenView | undefined;
  readonly #detail = el("p", { class: "note numeric", testid: "token-detail", "aria-live": "polite" });

  constructor() {
    const step = (by: number, label: string, sign: string, testid: string) =>
      el(
        "button",
        {
          type: "button",
          class: "quiet",
          testid,
          "aria-label": label,
          on: { click: () => this.#view?.step(by) },
        },
        sign,
      );
    this.element = el(
      "div",
      { class: "inspector", testid: "inspector", hidden: true },
      el(
        "p",
        { class: "legend" },
        el("span", { class: "muted" }, "Likelihood of each token:"),
        ...legend.map((text, shade) => el("span", { class: `token shade-${shade}` }, text)),
      ),
      el(
        "div",
        { class: "inspector-row" },
        step(-1, "Previous token", "←", "token-previous"),
        step(1, "Next token", "→", "token-next"),
        this.#detail,
      ),
    );
    this.element.addEventListener("keydown", (event) => this.onKey(event));
  }

  /** Arrow keys, from here or from the text. */
  readonly onKey = (event: KeyboardEvent): void => {
    if (this.element.hidden || (event.key !== "ArrowLeft" && event.key !== "ArrowRight")) return;
    this.#view?.step(event.key === "ArrowRight" ? 1 : -1);
    event.preventDefault();
  };

  /** Follows a view; shown while shading is asked for and the view has log-probabilities. */
  attach(view: TokenView | undefined, wanted: boolean): void {
    this.#view = view;
    this.element.hidden = !(wanted && view?.inspectable);
    if (!this.#detail.textContent) this.describe(undefined);
  }

  describe(line: string | undefined): void {
    this.#detail.textContent = line ?? "Point at a token, or use the arrow keys.";
  }
}
