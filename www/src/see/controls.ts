import type { ReductionMethod } from "lexigraft";
import { el, fill, uniqueId } from "../dom.ts";

/** Until the model tells of its own. */
const usual: readonly ReductionMethod[] = [
  { name: "ward", summary: "merge whatever pair of tokens loses least, small ones first", gradual: true },
  { name: "tome", summary: "merge similar tokens, attention counts merged ones by size", gradual: true },
  { name: "evit", summary: "keep what CLS attends to", gradual: false },
  { name: "divprune", summary: "keep the most diverse tokens", gradual: false },
  { name: "random", summary: "control: keep tokens drawn at random", gradual: false },
];

const sizes = [112, 224, 336, 518];

/** Method, how much of it, size and crop. `changed` is called when a person has changed one of them. */
export class Controls {
  readonly element: HTMLElement;
  readonly #method = el("select", { testid: "see-method", id: uniqueId("see-method") });
  readonly #summary = el("p", { class: "note", testid: "see-summary" });
  readonly #amount = el("input", { type: "range", testid: "see-amount", id: uniqueId("see-amount") });
  readonly #amountLabel = el("label", { class: "label", for: this.#amount.id });
  readonly #size = el("select", { testid: "see-size", id: uniqueId("see-size") });
  readonly #crop = el("select", { testid: "see-crop", id: uniqueId("see-crop") });
  #methods: readonly ReductionMethod[] = usual;
  /** What was last chosen of either kind: shares in per cent. */
  readonly #amounts = { merged: 16, kept: 70 };

  constructor(changed: () => void) {
    fill(this.#size, ...sizes.map((size) => el("option", { value: size }, `${size} x ${size}`)));
    this.#size.value = "224";
    fill(
      this.#crop,
      el("option", { value: "center" }, "the middle"),
      el("option", { value: "pad" }, "all of it"),
    );
    this.#fillMethods("ward");
    this.#show();
    this.#method.addEventListener("change", () => {
      this.#show();
      changed();
    });
    this.#amount.addEventListener("input", () => {
      const value = Number(this.#amount.value);
      if (this.#chosen()?.gradual) this.#amounts.merged = value;
      else this.#amounts.kept = value;
      this.#label();
    });
    this.#amount.addEventListener("change", changed);
    this.#size.addEventListener("change", () => {
      this.#show();
      changed();
    });
    this.#crop.addEventListener("change", changed);
    const field = (label: string, input: HTMLElement) =>
      el("div", { class: "see-field" }, el("label", { class: "label", for: input.id }, label), input);
    this.element = el(
      "div",
      { class: "see-controls" },
      field("Reduction", this.#method),
      el("div", { class: "see-field see-amount" }, this.#amountLabel, this.#amount),
      field("Size", this.#size),
      field("Part seen", this.#crop),
      this.#summary,
    );
  }

  /** As the package takes it; undefined for none. */
  get reduce(): string | undefined {
    const method = this.#chosen();
    if (!method) return undefined;
    const value = Number(this.#amount.value);
    return method.gradual ? `${method.name}:r=${value}` : `${method.name}:keep=${value / 100}`;
  }

  get options(): { size: number; crop: "center" | "pad" } {
    return { size: Number(this.#size.value), crop: this.#crop.value === "pad" ? "pad" : "center" };
  }

  /** What a loaded model can do. */
  offer(methods: readonly ReductionMethod[]): void {
    const chosen = this.#method.value;
    this.#methods = methods;
    this.#fillMethods(chosen);
    this.#show();
  }

  #fillMethods(chosen: string): void {
    fill(
      this.#method,
      el("option", { value: "" }, "none"),
      ...this.#methods.map(({ name }) => el("option", { value: name }, name)),
    );
    this.#method.value = chosen;
  }

  #chosen(): ReductionMethod | undefined {
    return this.#methods.find(({ name }) => name === this.#method.value);
  }

  #show(): void {
    const method = this.#chosen();
    this.#amount.disabled = !method;
    const gradual = method?.gradual ?? true;
    // Twelve blocks that each merge so many of the patches leave a few.
    const patches = (this.options.size / 14) ** 2;
    const [min, max, value] = gradual
      ? [0, Math.max(1, Math.floor(patches / 12.5)), this.#amounts.merged]
      : [5, 100, this.#amounts.kept];
    this.#amount.min = String(min);
    this.#amount.max = String(max);
    this.#amount.value = String(value);
    this.#summary.textContent = method ? method.summary : "Every patch stays a token.";
    this.#label();
  }

  #label(): void {
    const { min, max, value } = this.#amount;
    const part = (Number(value) - Number(min)) / (Number(max) - Number(min));
    this.#amount.style.setProperty("--part", String(part));
    const method = this.#chosen();
    this.#amountLabel.textContent = !method
      ? "Nothing is reduced"
      : method.gradual
        ? `Merged in each block: ${value}`
        : `Kept in blocks 3, 6 and 9: ${value} %`;
  }
}
