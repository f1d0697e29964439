import { el, fill } from "../dom.ts";
import { share } from "../format.ts";
import { END, slotLine, slotName } from "./slot.ts";

const HEIGHT = 96;
const SLOTS = 257;
const SVG = "http://www.w3.org/2000/svg";

/**
 * The 257 probabilities as bars, and the likeliest of them as a list. The pointer or the arrow keys choose a bar, and
 * a line beneath tells its figures.
 */
export class Distribution {
  readonly element: HTMLElement;
  readonly #plot = document.createElementNS(SVG, "svg");
  readonly #line = el("p", { class: "note numeric", testid: "slot-line", "aria-live": "polite" });
  readonly #list = el("ol", { class: "likeliest", testid: "likeliest" });
  #logProbs: Float32Array | undefined;
  #order: number[] = [];
  #current = -1;

  constructor() {
    const plot = this.#plot;
    plot.setAttribute("viewBox", `0 0 ${SLOTS} ${HEIGHT}`);
    plot.setAttribute("preserveAspectRatio", "none");
    plot.setAttribute("class", "distribution");
    plot.setAttribute("role", "img");
    plot.setAttribute("aria-label", "Probabilities of the next byte; arrow keys go from the likeliest on");
    plot.setAttribute("tabindex", "0");
    plot.setAttribute("data-testid", "distribution");
    plot.addEventListener("pointermove", (event) => {
      const { left, width } = plot.getBoundingClientRect();
      this.#show(Math.max(0, Math.min(SLOTS - 1, Math.floor(((event.clientX - left) / width) * SLOTS))));
    });
    plot.addEventListener("keydown", (event) => {
      const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      if (by === undefined || this.#order.length === 0) return;
      event.preventDefault();
      const rank = this.#order.indexOf(this.#current);
      this.#show(this.#order[Math.max(0, Math.min(SLOTS - 1, rank + by))] ?? 0);
    });
    this.element = el("figure", { class: "next-byte" }, plot, this.#line, this.#list);
  }

  /** `goesOn` names what each likely byte begins, such as the tokens that start with it. */
  show(logProbs: Float32Array | undefined, goesOn: (slot: number) => string): void {
    this.#logProbs = logProbs;
    this.#current = -1;
    this.#line.textContent = "";
    if (logProbs === undefined) {
      this.#order = [];
      this.#plot.replaceChildren();
      fill(this.#list);
      return;
    }
    const value = (slot: number) => logProbs[slot] ?? Number.NEGATIVE_INFINITY;
    this.#order = [...logProbs.keys()].sort((a, b) => value(b) - value(a));
    const most = Math.exp(value(this.#order[0] ?? 0));
    this.#plot.replaceChildren(
      ...[...logProbs].map((logProb, slot) => {
        const bar = document.createElementNS(SVG, "rect");
        const height = Math.max(0.5, (Math.exp(logProb) / most) * (HEIGHT - 2));
        bar.setAttribute("x", String(slot + 0.1));
        bar.setAttribute("width", "0.8");
        bar.setAttribute("y", String(HEIGHT - height));
        bar.setAttribute("height", String(height));
        if (slot === END) bar.setAttribute("class", "end");
        return bar;
      }),
    );
    fill(
      this.#list,
      ...this.#order
        .slice(0, 8)
        .map((slot) =>
          el(
            "li",
            {},
            el("span", { class: "numeric" }, share(Math.exp(value(slot)))),
            el("span", {}, slotName(slot)),
            el("span", { class: "muted" }, goesOn(slot)),
          ),
        ),
    );
    this.#show(this.#order[0] ?? 0);
  }

  #show(slot: number): void {
    const logProb = this.#logProbs?.[slot];
    if (logProb === undefined) return;
    this.#plot.children[this.#current]?.classList.remove("current");
    this.#plot.children[slot]?.classList.add("current");
    this.#current = slot;
    this.#line.textContent = slotLine(slot, logProb);
  }
}
