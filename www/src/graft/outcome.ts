import type { LanguageModel } from "lexigraft";
import { announce } from "../announce.ts";
import { el, fill } from "../dom.ts";
import { bytes, integer } from "../format.ts";
import type { Grafted, Grafting } from "./grafting.ts";

const MOST_TOKENS = 32;

interface Side {
  bitsPerByte: number;
  tokens: number;
}

/** What a graft has come to: its tokens, bits per byte and continuations beside the original's, and its files. */
export class Outcome {
  readonly element: HTMLElement;
  readonly #report = el("p", { class: "note numeric", testid: "graft-report" });
  readonly #table = el("tbody", { testid: "graft-figures" });
  readonly #before = el("div", { class: "text", testid: "graft-before" });
  readonly #after = el("div", { class: "text", testid: "graft-after" });
  readonly #saved = el("p", { class: "note", testid: "graft-saved" });
  readonly #wear: HTMLButtonElement;

  constructor(private readonly grafting: Grafting) {
    const save = (format: "gguf" | "safetensors", label: string) =>
      el(
        "button",
        { type: "button", testid: `graft-save-${format}`, on: { click: () => void this.#save(format) } },
        label,
      );
    this.#wear = el("button", {
      type: "button",
      testid: "graft-wear",
      on: { click: () => void this.grafting.wear(!this.grafting.worn).then(() => this.showWorn()) },
    });
    const column = (label: string) => el("th", { scope: "col" }, label);
    this.element = el(
      "section",
      { class: "graft-outcome", hidden: true, testid: "graft-outcome", "aria-label": "The graft" },
      this.#report,
      el(
        "table",
        { class: "bench-table" },
        el("thead", {}, el("tr", {}, column("Your text"), column("Original"), column("Graft"))),
        this.#table,
      ),
      el(
        "div",
        { class: "side-by-side" },
        el("div", {}, el("h3", { class: "label" }, "The original goes on"), this.#before),
        el("div", {}, el("h3", { class: "label" }, "The graft goes on"), this.#after),
      ),
      el(
        "div",
        { class: "toolbar" },
        this.#wear,
        save("gguf", "Download GGUF"),
        save("safetensors", "Download safetensors"),
      ),
      this.#saved,
    );
  }

  hide(): void {
    this.element.hidden = true;
  }

  showWorn(): void {
    this.#wear.textContent = this.grafting.worn
      ? "Use the original in the other tabs"
      : "Use the graft in the other tabs";
  }

  /** Scores a text and continues a prompt with both models. */
  async look(
    { lm, original, label, seconds }: Grafted,
    text: string,
    prompt: string,
    signal: AbortSignal,
  ): Promise<void> {
    const { tokens, shared, made } = lm.report;
    this.#report.textContent =
      `${label}: ${integer(tokens)} tokens in ${seconds.toFixed(1)} s. ${integer(shared)} keep the model's rows, ` +
      `${integer(made)} have new ones. With the layers that both share it takes ${bytes(lm.info.residentBytes)}.`;
    for (const part of [this.#table, this.#before, this.#after, this.#saved]) part.replaceChildren();
    this.element.hidden = false;
    this.showWorn();
    announce(this.#report.textContent);
    const sides: Side[] = [];
    for (const model of [original, lm]) sides.push(await model.score(text, { signal }));
    const [before, after] = sides;
    if (before && after) this.#figures(before, after);
    await goOn(original, prompt, this.#before, signal);
    await goOn(lm, prompt, this.#after, signal);
    announce(`Original: ${this.#before.textContent}. Graft: ${this.#after.textContent}.`);
  }

  #figures(before: Side, after: Side): void {
    const row = (label: string, show: (side: Side) => string) =>
      el(
        "tr",
        {},
        el("th", { scope: "row" }, label),
        el("td", { class: "numeric" }, show(before)),
        el("td", { class: "numeric" }, show(after)),
      );
    fill(
      this.#table,
      row("Tokens", ({ tokens }) => integer(tokens)),
      row("Bits per byte", ({ bitsPerByte }) => bitsPerByte.toFixed(3)),
    );
  }

  async #save(format: "gguf" | "safetensors"): Promise<void> {
    this.#saved.textContent = "Writing…";
    const files = await this.grafting.export({
      format,
      onProgress: ({ done, total }) => {
        this.#saved.textContent = `Writing, ${bytes(done)} of ${bytes(total)}`;
      },
    });
    this.#saved.textContent = files
      ? `Saved: ${files.map(({ name, size }) => `${name} (${bytes(size)})`).join(", ")}.`
      : "Nothing was saved.";
    announce(this.#saved.textContent);
    for (const file of files ?? []) download(file);
  }
}

async function goOn(
  model: LanguageModel,
  prompt: string,
  target: HTMLElement,
  signal: AbortSignal,
): Promise<void> {
  const pieces = model.generate(prompt, { temperature: 0, maxTokens: MOST_TOKENS, signal });
  for await (const { text } of pieces) target.append(text);
}

function download(file: File): void {
  const url = URL.createObjectURL(file);
  el("a", { href: url, download: file.name }).click();
  // The browser has opened it by the next task at the latest.
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
