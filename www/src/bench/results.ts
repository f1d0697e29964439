import { el, fill } from "../dom.ts";
import { duration, speed } from "../format.ts";
import { copyButton } from "../generate/copy.ts";
import { type Bar, Bars } from "./bars.ts";
import type { Round } from "./measure.ts";
import { type BenchReport, facts, figures, toJson, toMarkdown } from "./report.ts";

/** The outcome on the page: figures, a plot of the rounds, what they were measured on, and copies. */
export class Results {
  readonly element: HTMLElement;
  readonly #figures = el("tbody");
  readonly #facts = el("dl", { class: "facts", testid: "bench-facts" });
  readonly #decode = new Bars("Decoding in each round, tokens/s", "bench-plot-decode");
  readonly #first = new Bars("Time to first token in each round", "bench-plot-first");
  readonly #summed = el("div", { class: "bench-summed", hidden: true });
  #report: BenchReport | undefined;

  constructor() {
    const text = el("pre", { class: "mono bench-text", tabindex: 0, "aria-label": "Result as text" });
    const fold = el("details", { class: "fold", hidden: true }, el("summary", {}, "Result as text"), text);
    // Without a clipboard the text itself is shown, to be selected and copied by hand.
    const copy = (testid: string, name: string, make: (report: BenchReport) => string) => {
      const content = () => (this.#report ? make(this.#report) : "");
      const show = () => {
        text.textContent = content();
        fold.hidden = false;
        fold.open = true;
        return text;
      };
      return copyButton(testid, content, show, name);
    };
    this.#summed.append(
      el(
        "table",
        { class: "bench-table", testid: "bench-table" },
        el("caption", { class: "visually-hidden" }, "Measured figures"),
        el(
          "thead",
          {},
          el(
            "tr",
            {},
            el("td"),
            el("th", { scope: "col" }, "Median"),
            el("th", { scope: "col" }, "Lowest to highest"),
          ),
        ),
        this.#figures,
      ),
    );
    this.element = el(
      "section",
      { class: "bench-results", hidden: true, testid: "bench-results", "aria-label": "Result" },
      this.#summed,
      el("div", { class: "plots" }, this.#decode.element, this.#first.element),
      el(
        "div",
        { class: "bench-summed", hidden: true },
        this.#facts,
        el(
          "div",
          { class: "toolbar" },
          copy("bench-copy-json", "Copy as JSON", toJson),
          copy("bench-copy-markdown", "Copy as Markdown", toMarkdown),
        ),
        fold,
      ),
    );
  }

  /** Shows the rounds while they come; the summary waits for the last one. */
  live(rounds: readonly Round[]): void {
    this.#summary(undefined);
    this.#plot(rounds);
  }

  /** Shows a finished report, or takes everything away. */
  show(report: BenchReport | undefined): void {
    this.#summary(report);
    this.#plot(report?.rounds ?? []);
  }

  #plot(rounds: readonly Round[]): void {
    const bars = (value: (round: Round) => number | undefined, say: (value: number) => string): Bar[] =>
      rounds.map((round, index) => {
        const found = value(round);
        return { name: `Round ${index + 1}`, value: found, text: found === undefined ? "–" : say(found) };
      });
    this.#decode.show(bars((round) => round.tokensPerSecond, speed));
    this.#first.show(bars((round) => round.firstTokenMs, duration));
    this.element.hidden = rounds.length === 0;
  }

  #summary(report: BenchReport | undefined): void {
    this.#report = report;
    for (const part of this.element.querySelectorAll<HTMLElement>(".bench-summed")) part.hidden = !report;
    if (!report) return;
    fill(
      this.#figures,
      ...figures(report).map(({ name, testid, median, range }) =>
        el(
          "tr",
          { testid },
          el("th", { scope: "row" }, name),
          el("td", { class: "numeric" }, median),
          el("td", { class: "numeric muted" }, range),
        ),
      ),
    );
    fill(
      this.#facts,
      ...facts(report).map(([term, value]) => el("div", {}, el("dt", {}, term), el("dd", {}, value))),
    );
  }
}
