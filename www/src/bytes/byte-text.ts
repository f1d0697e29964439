import { el, fill } from "../dom.ts";
import { slotLine } from "./slot.ts";

/** The lower edges of the shades, as the Generate tab has them. */
const EDGES = [0.8, 0.5, 0.2, 0.05];

/** A text whose characters are shaded by how likely each was; pointer or arrow keys tell the figures of its bytes. */
export class ByteText {
  readonly element: HTMLElement;
  readonly #text = el("div", {
    class: "text shaded-bytes",
    testid: "byte-text",
    tabindex: 0,
    role: "group",
    "aria-label": "Your text by likelihood; arrow keys go from character to character",
  });
  readonly #line = el("p", { class: "note numeric", testid: "byte-line", "aria-live": "polite" });
  #lines: string[] = [];
  #current = -1;

  constructor() {
    this.#text.addEventListener("pointerover", ({ target }) => this.#pick(target));
    this.#text.addEventListener("click", ({ target }) => this.#pick(target));
    this.#text.addEventListener("keydown", (event) => {
      const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (by === undefined || this.#lines.length === 0) return;
      event.preventDefault();
      this.#show(Math.max(0, Math.min(this.#lines.length - 1, this.#current + by)));
    });
    this.element = el("div", { class: "shaded" }, this.#text, this.#line);
  }

  show(text: string, perByte: Float32Array): void {
    const encoder = new TextEncoder();
    let at = 0;
    this.#current = -1;
    this.#line.textContent = "";
    this.#lines = [];
    fill(
      this.#text,
      ...[...text].map((character) => {
        const bytes = encoder.encode(character);
        const logProbs = perByte.slice(at, at + bytes.length);
        at += bytes.length;
        const p = Math.exp(logProbs.reduce((sum, value) => sum + value, 0));
        const shade = EDGES.findIndex((edge) => p >= edge);
        this.#lines.push([...bytes].map((byte, index) => slotLine(byte, logProbs[index] ?? 0)).join("; "));
        return el("span", { class: `token shade-${shade === -1 ? EDGES.length : shade}` }, character);
      }),
    );
  }

  clear(): void {
    this.show("", new Float32Array());
  }

  #pick(target: EventTarget | null): void {
    const index = target instanceof HTMLElement ? [...this.#text.children].indexOf(target) : -1;
    if (index !== -1) this.#show(index);
  }

  #show(index: number): void {
    this.#text.children[this.#current]?.classList.remove("current");
    this.#text.children[index]?.classList.add("current");
    this.#current = index;
    this.#line.textContent = this.#lines[index] ?? "";
  }
}
