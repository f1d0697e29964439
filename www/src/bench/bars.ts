import { el, fill } from "../dom.ts";

export interface Bar {
  name: string;
  value: number | undefined;
  text: string;
}

/** A small bar plot that is also a list: each bar has its name and its figure beside it as text. */
export class Bars {
  readonly element: HTMLElement;
  readonly #list = el("ul", { class: "bars" });

  constructor(caption: string, testid: string) {
    this.element = el(
      "figure",
      { class: "plot", testid },
      el("figcaption", { class: "label" }, caption),
      this.#list,
    );
  }

  show(bars: readonly Bar[]): void {
    const most = Math.max(...bars.map(({ value }) => value ?? 0), Number.MIN_VALUE);
    fill(
      this.#list,
      ...bars.map(({ name, value, text }) => {
        const bar = el("span", { class: "bar", "aria-hidden": "true" });
        // Not a style attribute: the page's content security policy forbids those.
        bar.style.setProperty("--part", String((value ?? 0) / most));
        return el(
          "li",
          {},
          el("span", { class: "muted" }, name),
          el("span", { class: "bar-track" }, bar),
          el("span", { class: "numeric" }, text),
        );
      }),
    );
  }
}
