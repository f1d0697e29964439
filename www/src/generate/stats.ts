import type { FinishReason, GenerateResult } from "lexigraft";
import { el, fill } from "../dom.ts";
import { duration, integer, speed } from "../format.ts";

const reasons: Record<FinishReason, string> = {
  "stop-token": "the model ended its text",
  "stop-string": "a stop string was reached",
  "max-tokens": "max tokens reached",
  context: "the context is full",
  aborted: "stopped by you",
};

type Fact = [term: string, value: string, testid: string];

/** The figures of a run: live while it writes, final after it. */
export class Stats {
  readonly element = el("dl", { class: "stats", testid: "stats" });
  #count = 0;
  #began = 0;
  #firstAt = 0;
  #shownAt = 0;

  start(): void {
    this.#count = 0;
    this.#began = performance.now();
    this.#firstAt = 0;
    this.#show([["Prompt", "reading…", "stat-prompt"]]);
  }

  prefill(done: number, total: number): void {
    if (this.#count === 0)
      this.#show([["Prompt", `reading ${integer(done)} of ${integer(total)} tokens`, "stat-prompt"]]);
  }

  token(): void {
    this.#count += 1;
    const now = performance.now();
    if (this.#count === 1) this.#firstAt = now;
    // A few times a second: each token would only flicker.
    if (this.#count > 1 && now - this.#shownAt < 250) return;
    this.#shownAt = now;
    const seconds = (now - this.#firstAt) / 1000;
    this.#show([
      ["Speed", this.#count < 2 ? "–" : `${speed((this.#count - 1) / seconds)} tokens/s`, "stat-speed"],
      ["First token", duration(this.#firstAt - this.#began), "stat-first"],
      ["Written", `${integer(this.#count)} tokens`, "stat-tokens"],
    ]);
  }

  /** Shows the final figures and returns them as a sentence for the live region. */
  finish(result: GenerateResult, temperature: number): string {
    const { tokensPerSecond, timeToFirstTokenMs } = result;
    const facts: Fact[] = [
      ["Speed", tokensPerSecond === undefined ? "–" : `${speed(tokensPerSecond)} tokens/s`, "stat-speed"],
      ["First token", timeToFirstTokenMs === undefined ? "–" : duration(timeToFirstTokenMs), "stat-first"],
      ["Prompt", `${integer(result.promptIds.length)} tokens`, "stat-prompt"],
      ["Written", `${integer(result.ids.length)} tokens`, "stat-tokens"],
      ["Ended", reasons[result.reason], "stat-reason"],
    ];
    // Greedy text does not depend on the seed.
    if (temperature > 0) facts.push(["Seed", String(result.seed), "stat-seed"]);
    this.#show(facts);
    this.element.dataset.reason = result.reason;
    return `Finished: ${integer(result.ids.length)} tokens; ${reasons[result.reason]}.`;
  }

  clear(): void {
    this.#show([]);
  }

  #show(facts: Fact[]): void {
    delete this.element.dataset.reason;
    fill(
      this.element,
      ...facts.map(([term, value, testid]) =>
        el("div", {}, el("dt", {}, term), el("dd", { class: "numeric", testid }, value)),
      ),
    );
  }
}
