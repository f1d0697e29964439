import type { Seen } from "lexigraft";
import { el, fill, uniqueId } from "../dom.ts";
import { duration, integer, share } from "../format.ts";
import { cosine } from "./album.ts";
import { drawHeat, drawPatches, fates } from "./overlay.ts";
import type { Looked, Timed } from "./sight.ts";

/** Overlay, heat map, and what the reduction saved and cost. */
export class Results {
  readonly element: HTMLElement;
  readonly #patches = el("canvas", { class: "see-canvas", role: "img", testid: "see-patches" });
  readonly #heat = el("canvas", { class: "see-canvas", role: "img", testid: "see-heat" });
  readonly #legend = el("p", { class: "note", testid: "see-legend" });
  readonly #block = el("input", {
    type: "range",
    min: 1,
    max: 12,
    id: uniqueId("see-block"),
    testid: "see-block",
  });
  readonly #blockLabel = el("label", { class: "label", for: this.#block.id });
  readonly #facts = el("dl", { class: "facts", testid: "see-facts" });
  readonly #time: HTMLButtonElement;
  #shown: Seen | undefined;
  #looked: Looked | undefined;

  /** `time` is called when a person wants both runs timed. */
  constructor(time: () => void) {
    this.#time = el(
      "button",
      { type: "button", class: "quiet", testid: "see-time", on: { click: time } },
      "Time both, five times in turns",
    );
    this.#block.addEventListener("input", () => this.#drawBlock());
    this.element = el(
      "div",
      { class: "see-results", hidden: true, testid: "see-results" },
      el(
        "div",
        { class: "see-canvases" },
        el(
          "figure",
          { class: "plot" },
          el("figcaption", { class: "label" }, "Patches"),
          this.#patches,
          this.#blockLabel,
          this.#block,
          this.#legend,
        ),
        el(
          "figure",
          { class: "plot" },
          el("figcaption", { class: "label" }, "Where one would look"),
          this.#heat,
          el("p", { class: "note" }, "The saliency that the model's decoder finds in the same tokens."),
        ),
      ),
      this.#facts,
      el("div", { class: "toolbar see-time" }, this.#time),
    );
  }

  /** Times of several runs, in place of those of one. */
  timed(timed: Timed): void {
    if (this.#looked) this.#showFacts(this.#looked, timed);
  }

  show(looked: Looked | undefined): void {
    this.element.hidden = !looked;
    if (!looked) return;
    this.#looked = looked;
    const seen = looked.reduced ?? looked.dense;
    this.#time.hidden = !looked.reduced;
    this.#shown = seen;
    this.#block.max = String(seen.maps.length);
    this.#block.value = String(seen.maps.length);
    this.#drawBlock();
    drawHeat(this.#heat, seen);
    this.#heat.setAttribute("aria-label", heatText(seen));
    this.#showFacts(looked);
  }

  #showFacts({ dense, reduced }: Looked, timed?: Timed): void {
    fill(
      this.#facts,
      ...facts(dense, reduced, timed).map(([term, value]) =>
        el("div", {}, el("dt", {}, term), el("dd", {}, value)),
      ),
    );
  }

  #drawBlock(): void {
    const seen = this.#shown;
    if (!seen) return;
    const block = Number(this.#block.value) - 1;
    const map = seen.maps[block];
    if (!map) return;
    drawPatches(this.#patches, seen, block);
    const { kept, merged, groups, dropped } = fates(map);
    const parts = [`${kept} by themselves`];
    if (merged > 0) parts.push(`${merged} merged into ${groups} coloured groups`);
    if (dropped > 0) parts.push(`${dropped} dropped (dark)`);
    this.#legend.textContent = `Of ${map.length} patches: ${parts.join(", ")}.`;
    this.#blockLabel.textContent = `After block ${block + 1} of ${seen.maps.length}`;
    this.#block.style.setProperty("--part", String(block / Math.max(1, seen.maps.length - 1)));
    this.#patches.setAttribute("aria-label", this.#legend.textContent);
  }
}

/** What the figures beside the pictures say. */
export function facts(dense: Seen, reduced: Seen | undefined, timed?: Timed): [string, string][] {
  const tokens = (seen: Seen) => integer(seen.tokens.at(-1)?.after ?? 0);
  const time = (seen: Seen) => duration(seen.totalMs);
  if (!reduced) {
    return [
      ["Tokens", tokens(dense)],
      ["Multiply-accumulates", `${(dense.macs / 1e9).toFixed(2)} G`],
      ["Blocks", duration(dense.backboneMs)],
      ["Time", time(dense)],
    ];
  }
  const heat = heatError(dense, reduced);
  return [
    ["Embedding, cosine to the dense run", cosine(dense.embedding, reduced.embedding).toFixed(4)],
    ["Patches, mean cosine", patchCosine(dense, reduced).toFixed(4)],
    ...(heat === undefined ? [] : ([["Heat map, mean difference", heat.toFixed(3)]] as [string, string][])),
    ["Tokens at the end", `${tokens(reduced)} of ${tokens(dense)}`],
    [
      "Multiply-accumulates",
      `${(reduced.macs / 1e9).toFixed(2)} of ${(dense.macs / 1e9).toFixed(2)} G (${share(reduced.macs / dense.macs)})`,
    ],
    ...(timed
      ? pair(`, median of ${timed.rounds}`, timed.dense, timed.reduced)
      : pair(", one run each", one(dense), one(reduced))),
    ["Of the blocks, choosing and merging", duration(reduced.reduceMs)],
  ];
}

interface Times {
  blocks: number;
  all: number;
}

const one = (seen: Seen): Times => ({ blocks: seen.backboneMs, all: seen.totalMs });

function pair(how: string, dense: Times, reduced: Times): [string, string][] {
  const of = (slow: number, fast: number) =>
    `${duration(fast)} of ${duration(slow)} (${(slow / fast).toFixed(2)} times as fast)`;
  return [
    [`Blocks${how}`, of(dense.blocks, reduced.blocks)],
    [`With heat map${how}`, of(dense.all, reduced.all)],
  ];
}

function patchCosine(a: Seen, b: Seen): number {
  const hidden = a.embedding.length;
  const count = a.patches.length / hidden;
  let sum = 0;
  for (let patch = 0; patch < count; patch += 1) {
    const row = ({ patches }: Seen) => patches.subarray(patch * hidden, (patch + 1) * hidden);
    sum += cosine(row(a), row(b));
  }
  return sum / count;
}

function heatError(a: Seen, b: Seen): number | undefined {
  if (!a.heat || !b.heat) return undefined;
  const other = b.heat;
  return a.heat.reduce((sum, value, at) => sum + Math.abs(value - (other[at] ?? 0)), 0) / a.heat.length;
}

function heatText({ heat, width }: Seen): string {
  if (!heat) return "No saliency.";
  let top = 0;
  for (const [at, value] of heat.entries()) if (value > (heat[top] ?? 0)) top = at;
  return `Saliency, highest ${top % width} pixels from the left and ${Math.floor(top / width)} from the top.`;
}
