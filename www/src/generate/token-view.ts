import type { GenerateResult, Piece } from "lexigraft";
import { el } from "../dom.ts";
import { integer, share, visibleText } from "../format.ts";

interface ShownToken {
  id: number;
  logProb: number;
  span: HTMLElement;
}

/** The lower edges of the shades: at least 80 % likely is unshaded, then 50, 20 and 5 %. */
const edges = [0.8, 0.5, 0.2, 0.05];

function shadeOf(logProb: number): number {
  const p = Math.exp(logProb);
  const shade = edges.findIndex((edge) => p >= edge);
  return shade === -1 ? edges.length : shade;
}

/**
 * The text of one run, growing by pieces. Pieces that carry a log-probability become spans that
 * can be shaded and inspected; others grow one text node.
 */
export class TokenView {
  readonly element: HTMLElement;
  #plain: Text | undefined;
  #tokens: ShownToken[] = [];
  #text = "";
  #current = -1;
  readonly #onInspect: (line: string | undefined) => void;

  /** `onInspect` gets a line about the chosen token, undefined when there is none. */
  constructor(testid: string | undefined, onInspect: (line: string | undefined) => void) {
    this.#onInspect = onInspect;
    this.element = el("div", { class: "text", testid });
    this.element.addEventListener("pointerover", (event) => this.#pick(event.target));
    this.element.addEventListener("click", (event) => this.#pick(event.target));
  }

  get text(): string {
    return this.#text;
  }

  get inspectable(): boolean {
    return this.#tokens.length > 0;
  }

  clear(): void {
    this.element.replaceChildren();
    this.#plain = undefined;
    this.#tokens = [];
    this.#text = "";
    this.#current = -1;
    this.#onInspect(undefined);
  }

  set streaming(on: boolean) {
    this.element.classList.toggle("streaming", on);
  }

  push(piece: Piece): void {
    this.#text += piece.text;
    if (piece.logProb === undefined || piece.tail) {
      this.#append(piece.text);
      return;
    }
    const span = el("span", { class: `token shade-${shadeOf(piece.logProb)}` }, piece.text);
    this.#tokens.push({ id: piece.id, logProb: piece.logProb, span });
    this.#plain = undefined;
    this.element.append(span);
  }

  /** The result is the authority on the text. */
  finish(result: GenerateResult): void {
    if (result.text === this.#text) return;
    if (result.text.startsWith(this.#text)) this.#append(result.text.slice(this.#text.length));
    else {
      this.clear();
      this.#append(result.text);
    }
    this.#text = result.text;
  }

  /** Moves the inspection by so many tokens; from none, to the first or the last. */
  step(by: number): void {
    if (this.#tokens.length === 0) return;
    const from = this.#current === -1 && by < 0 ? this.#tokens.length : this.#current;
    this.#inspect(Math.max(0, Math.min(this.#tokens.length - 1, from + by)));
  }

  #append(text: string): void {
    if (text === "") return;
    if (this.#plain) this.#plain.appendData(text);
    else {
      this.#plain = document.createTextNode(text);
      this.element.append(this.#plain);
    }
  }

  #pick(target: EventTarget | null): void {
    const index = this.#tokens.findIndex((token) => token.span === target);
    if (index !== -1) this.#inspect(index);
  }

  #inspect(index: number): void {
    this.#tokens[this.#current]?.span.classList.remove("current");
    this.#current = index;
    const token = this.#tokens[index];
    if (!token) return;
    token.span.classList.add("current");
    const text = token.span.textContent ?? "";
    const shown = text === "" ? "(part of the next one)" : `“${visibleText(text)}”`;
    this.#onInspect(
      `Token ${index + 1} of ${this.#tokens.length}: ${shown}, id ${integer(token.id)}, ` +
        `probability ${share(Math.exp(token.logProb))}, log-prob ${token.logProb.toFixed(3)}`,
    );
  }
}
