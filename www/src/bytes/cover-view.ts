import type { Cover } from "lexigraft";
import { el, fill } from "../dom.ts";
import { share } from "../format.ts";
import { shownBytes } from "./slot.ts";

/** Names tokens for display. */
export type TokenNames = (ids: readonly number[]) => Promise<string[]>;

/** The covering tree: the certain tokens, then each way to cover what follows them. */
export class CoverView {
  readonly element: HTMLElement;
  readonly #trunk = el("p", { class: "tokens", testid: "trunk" });
  readonly #rows = el("ul", { class: "covers", testid: "covers" });

  constructor() {
    this.element = el("div", { class: "cover" }, this.#trunk, this.#rows);
  }

  clear(): void {
    fill(this.#trunk);
    fill(this.#rows);
  }

  async show(trunk: Uint32Array, covers: readonly Cover[], names: TokenNames): Promise<void> {
    const shown = covers.slice(0, 8);
    const ids = [...trunk, ...shown.flatMap(({ tokens, next }) => [...tokens, ...next.map(({ id }) => id)])];
    const all = await names(ids);
    let at = 0;
    const take = (count: number) => {
      at += count;
      return all.slice(at - count, at);
    };
    const chip = (text: string, kind = "") =>
      el("span", { class: `chip ${kind}` }, text.replaceAll("\n", "↵").replaceAll(" ", "␣"));
    const certain = take(trunk.length);
    const hidden = Math.max(0, certain.length - 24);
    fill(
      this.#trunk,
      el("span", { class: "muted" }, hidden > 0 ? `${hidden} tokens, then` : "Certain:"),
      ...certain.slice(hidden).map((text) => chip(text)),
      certain.length === 0 && el("span", { class: "muted" }, "no token yet"),
    );
    fill(
      this.#rows,
      ...shown.map(({ tokens, pending, share: part, next }) => {
        const whole = take(tokens.length);
        const following = take(next.length);
        return el(
          "li",
          {},
          el("span", { class: "numeric" }, share(part)),
          el(
            "span",
            { class: "tokens" },
            ...whole.map((text) => chip(text)),
            chip(`${shownBytes(pending)}…`, "open"),
          ),
          el(
            "span",
            { class: "muted" },
            following.length > 0 && `next: ${following.map((text) => `“${text}”`).join(", ")}`,
          ),
        );
      }),
      covers.length > shown.length &&
        el("li", { class: "muted" }, `and ${covers.length - shown.length} less likely ways`),
    );
  }
}
