import type { LanguageModel, Tokenizer } from "lexigraft";
import { el, fill } from "../dom.ts";
import { integer } from "../format.ts";
import { languages } from "./languages.ts";

/** How many tokens the same sentences take in several languages, before and after. */
export class LanguageTable {
  readonly element: HTMLElement;
  readonly #body = el("tbody", {});
  readonly #before = el("th", { scope: "col" });
  readonly #after = el("th", { scope: "col" });

  constructor() {
    this.element = el(
      "div",
      {
        class: "language-table-scroll",
        tabindex: 0,
        role: "group",
        "aria-label": "Token counts by language",
      },
      el(
        "table",
        { class: "bench-table language-table", testid: "language-table" },
        el(
          "thead",
          {},
          el(
            "tr",
            {},
            el("th", { scope: "col" }, "Article 1 in"),
            this.#before,
            this.#after,
            el("th", { scope: "col" }, "Change"),
          ),
        ),
        this.#body,
      ),
    );
  }

  async show(
    before: { name: string; model: LanguageModel },
    after: { name: string; tokenizer: Tokenizer } | undefined,
  ): Promise<void> {
    const rows: { name: string; counts: [number, number | undefined] }[] = [];
    for (const { name, text } of languages) {
      const own = await before.model.segment(text);
      const other = await after?.tokenizer.segment(text);
      rows.push({ name, counts: [own.ids.length, other?.ids.length] });
    }
    this.#before.textContent = before.name;
    this.#after.textContent = after?.name ?? "";
    fill(
      this.#body,
      ...rows.map(({ name, counts: [own, other] }) =>
        el(
          "tr",
          {},
          el("th", { scope: "row" }, name),
          el("td", { class: "numeric" }, integer(own)),
          el("td", { class: "numeric" }, other === undefined ? "" : integer(other)),
          el("td", {}, other !== undefined && change(own, other)),
        ),
      ),
    );
  }
}

function change(own: number, other: number): HTMLElement {
  const share = other / own - 1;
  const sign = share > 0 ? "+" : "−";
  const bar = el("span", { class: "change-bar" });
  // The page's policy allows no style attributes in markup.
  bar.style.inlineSize = `${Math.min(100, (other / own) * 100)}%`;
  return el(
    "span",
    { class: "change numeric" },
    el("span", { class: "change-track", "aria-hidden": "true" }, bar),
    el("span", {}, share === 0 ? "none" : `${sign}${Math.abs(share * 100).toFixed(0)} %`),
  );
}
