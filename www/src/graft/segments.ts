import type { Segmentation } from "lexigraft";
import { el, fill } from "../dom.ts";
import { integer } from "../format.ts";

/** Neighbouring tokens never have the same colour. */
const COLOURS = 4;

/** A stretch of text that shows: one token, or several that share a character. */
interface Unit {
  text: string;
  tokens: number;
  first: number;
}

/** A text as a tokenizer cuts it, in colour, with its counts above. */
export class Segments {
  readonly element: HTMLElement;
  readonly #name = el("h3", { class: "label" });
  readonly #count = el("p", { class: "cut-count numeric" });
  readonly #text: HTMLElement;

  constructor(testid: string) {
    this.#count.dataset.testid = `${testid}-count`;
    this.#text = el("div", {
      class: "text cut-text",
      testid,
      tabindex: 0,
      role: "group",
      dir: "auto",
    });
    this.element = el("div", { class: "cut-view" }, this.#name, this.#count, this.#text);
  }

  show(name: string, text: string, cut: Segmentation): void {
    const bytes = new TextEncoder().encode(text);
    const tokens = cut.ids.length;
    const each = tokens === 0 ? "" : `, ${(bytes.length / tokens).toFixed(2)} bytes each`;
    this.#name.textContent = name;
    this.#count.textContent = `${integer(tokens)} token${tokens === 1 ? "" : "s"}${each}`;
    this.#text.setAttribute("aria-label", `The text in ${tokens} tokens of ${name}`);
    fill(
      this.#text,
      ...unitsOf(bytes, cut.ends).map(({ text, tokens, first }) =>
        el(
          "span",
          {
            class: `cut cut-${first % COLOURS}${tokens > 1 ? " cut-inside" : ""}`,
            title: tokens > 1 ? `${tokens} tokens, cut inside a character` : undefined,
          },
          // A line break that is a token shows as one.
          text.replaceAll("\n", "↵\n"),
          tokens > 1 && el("sup", {}, tokens),
        ),
      ),
    );
  }

  clear(name: string, note: string): void {
    this.#name.textContent = name;
    this.#count.textContent = note;
    this.#text.replaceChildren();
  }
}

/** The tokens of a text; those that end inside a character are joined with what follows. */
export function unitsOf(bytes: Uint8Array, ends: Uint32Array): Unit[] {
  const units: Unit[] = [];
  let start = 0;
  let first = 0;
  for (const [index, end] of ends.entries()) {
    const inside = end < bytes.length && ((bytes[end] ?? 0) & 0xc0) === 0x80;
    // A tokenizer that changes texts may give a token no bytes of its own.
    if (inside || end < start) continue;
    const text = new TextDecoder().decode(bytes.subarray(start, end));
    units.push({ text, tokens: index + 1 - first, first });
    start = end;
    first = index + 1;
  }
  return units;
}
