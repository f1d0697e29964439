import type { ByteModel, LanguageModel } from "lexigraft";
import { announce } from "../announce.ts";
import type { App } from "../app.ts";
import { ByteText } from "../bytes/byte-text.ts";
import { ConstraintForm } from "../bytes/constraint.ts";
import { CoverView } from "../bytes/cover-view.ts";
import { Distribution } from "../bytes/distribution.ts";
import { END } from "../bytes/slot.ts";
import { watchAll } from "../cell.ts";
import { el, uniqueId } from "../dom.ts";
import { isAbort } from "../errors.ts";
import { exampleButtons } from "../examples.ts";
import { commandKey } from "../generate/desk.ts";
import type { Tab } from "./tab.ts";

/** Looks at a model byte by byte: prompts may be cut anywhere. */
export const bytes: Tab = { id: "bytes", label: "Bytes", mount };

const examples = [
  "The capital of Fra",
  "def fibonacci(n):\n    retu",
  "She said that it was the be",
  "Grüße aus Mün",
];
/** Scoring costs a step a byte; a longer text is scored at its end. */
const MOST_SCORED = 240;
const MOST_BYTES = 96;
/** A constraint has an end of its own. */
const MOST_CONSTRAINED_BYTES = 400;

function mount(panel: HTMLElement, app: App): void {
  const { session } = app;
  const id = uniqueId("bytes-prompt");
  const prompt = el("textarea", {
    id,
    class: "sheet-text",
    rows: 3,
    testid: "bytes-prompt",
    placeholder: "Write a text that may end anywhere, in the middle of a word too.",
  });
  prompt.value = examples[0] ?? "";

  const distribution = new Distribution();
  const cover = new CoverView();
  const scored = new ByteText();
  const plain = el("div", { class: "text", testid: "plain-text" });
  const exact = el("div", { class: "text", testid: "exact-text" });
  const figures = el("p", { class: "note numeric", testid: "bytes-figures" });
  const partner = el("input", {
    type: "file",
    class: "visually-hidden",
    testid: "partner",
    accept: ".gguf",
    "aria-label": "GGUF file of a second model, any tokenizer",
  });
  const partnerName = el("span", { class: "file-name muted" }, "GGUF, any tokenizer");
  partner.addEventListener("change", () => {
    partnerName.textContent = partner.files?.[0]?.name ?? "GGUF, any tokenizer";
  });
  const combine = el(
    "select",
    { id: uniqueId("combine"), testid: "combine" },
    el("option", { value: "mixture" }, "mean of the probabilities"),
    el("option", { value: "product" }, "mean of their logarithms"),
  );

  /** The byte model of the loaded model, or of both, for as long as `work` runs. */
  async function withBytes<T>(lm: LanguageModel, work: (model: ByteModel) => Promise<T>): Promise<T> {
    const file = partner.files?.[0];
    const other = file === undefined ? undefined : await session.partner(file);
    const model = await (other === undefined
      ? lm.bytes()
      : session.ensemble([lm, other], { combine: combine.value as "mixture" | "product" }));
    try {
      return await work(model);
    } finally {
      await model.dispose();
    }
  }

  const look = () =>
    session.run((lm, signal) =>
      withBytes(lm, async (model) => {
        announce("Looking at the next byte.");
        const text = prompt.value;
        const began = performance.now();
        const next = await model.nextByte(text, { signal });
        const ms = performance.now() - began;
        const firsts = await continuations(lm, next);
        distribution.show(next.logProbs, (slot) => firsts.get(slot) ?? "");
        await cover.show(next.trunk, next.cover, (ids) => lm.tokenText(ids));
        figures.textContent =
          `${next.evaluations} evaluations and ${next.tokens} tokens run in ${Math.round(ms)} ms; ` +
          `${next.trunk.length} tokens are certain, ${next.cover.length} ways cover the rest.`;
        announce(figures.textContent);
        const end = text.slice(-MOST_SCORED);
        const prefix = text.slice(0, text.length - end.length);
        const { perByte } = await model.score(end, { prefix, signal });
        scored.show(end, perByte);
      }),
    );

  const by = async (target: HTMLElement, pieces: AsyncIterable<{ text: string }>) => {
    target.textContent = "";
    try {
      for await (const { text } of pieces) target.append(text);
    } catch (error) {
      if (!isAbort(error)) throw error;
    }
  };

  const goOn = () =>
    session.run(async (lm, signal) => {
      exact.textContent = "";
      announce("Continuing both ways.");
      const tokens = Math.ceil(MOST_BYTES / 4);
      await by(plain, lm.generate(prompt.value, { temperature: 0, maxTokens: tokens, signal }));
      await withBytes(lm, (model) =>
        by(exact, model.generate(prompt.value, { temperature: 0, maxBytes: MOST_BYTES, signal })),
      );
      announce(`Plain: ${plain.textContent}. Exact: ${exact.textContent}.`);
    });

  const writeUnder = () =>
    session.run(async (lm, signal) => {
      const options = { ...form.options(), temperature: 0, maxBytes: MOST_CONSTRAINED_BYTES, signal };
      announce("Writing under the constraint.");
      await withBytes(lm, (model) => by(form.output, model.generate(prompt.value, options)));
      announce(`Written: ${form.output.textContent}.`);
    });

  const button = (testid: string, label: string, primary: boolean, start: () => void) =>
    el(
      "button",
      { type: "button", testid, class: primary ? "primary" : undefined, on: { click: start } },
      label,
    );
  const lookButton = button("bytes-look", "Next byte", true, () => void look());
  const goOnButton = button("bytes-continue", "Continue both ways", false, () => void goOn());
  const writeButton = button("bytes-constrained", "Write", false, () => void writeUnder());
  const form = new ConstraintForm(writeButton, prompt);
  const stop = button("bytes-stop", "Stop", false, () => void session.stopRun());
  const note = el("span", { class: "note", testid: "bytes-note" });
  const ready = () =>
    session.model.value !== null && session.loading.value === null && !session.running.value;

  watchAll([session.model, session.loading, session.running], () => {
    const from = document.activeElement;
    const running = session.running.value;
    stop.disabled = !running;
    const starters = [lookButton, goOnButton, writeButton];
    if (running && starters.some((starter) => from === starter)) stop.focus({ preventScroll: true });
    for (const starter of starters) starter.disabled = !ready();
    if (!running && from === stop) lookButton.focus({ preventScroll: true });
    note.textContent = running
      ? "Esc stops"
      : session.loading.value
        ? "Loading the model…"
        : session.model.value
          ? `${commandKey} + Enter`
          : "Load a model first.";
  });
  session.model.watch(() => {
    distribution.show(undefined, () => "");
    cover.clear();
    scored.clear();
    figures.textContent = "";
  });

  document.addEventListener("keydown", (event) => {
    if (panel.hidden) return;
    if (event.key === "Escape" && session.running.value) void session.stopRun();
    else if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !event.isComposing) {
      event.preventDefault();
      if (ready()) void look();
    }
  });

  const heading = (text: string) => el("h3", { class: "label" }, text);
  panel.classList.add("bytes");
  panel.append(
    el(
      "section",
      { class: "sheet", "aria-labelledby": "bytes-heading" },
      el("h2", { id: "bytes-heading" }, "What comes next, to the byte"),
      el(
        "p",
        { class: "bench-lead" },
        "A model of tokens answers wrongly when a prompt ends inside a token. Here every token sequence that the " +
          "tokenizer could have written is taken together, and the answer is exact wherever the text was cut.",
      ),
      el("label", { for: id, class: "label" }, "Text"),
      prompt,
      exampleButtons(prompt, examples),
      el("div", { class: "toolbar" }, lookButton, goOnButton, stop, note),
      el(
        "details",
        { class: "fold" },
        el("summary", {}, "Together with a second model"),
        el(
          "div",
          { class: "bytes-partner" },
          el("div", { class: "file" }, el("label", { class: "button" }, "Choose…", partner), partnerName),
          el(
            "div",
            { class: "bytes-combine" },
            el("label", { for: combine.id, class: "label" }, "Combined by the"),
            combine,
          ),
        ),
      ),
      form.element,
      el("hr", { class: "graft-line" }),
      heading("Next byte"),
      distribution.element,
      figures,
      heading("How tokens cover the text"),
      cover.element,
      heading("Your text, by how likely each character was"),
      scored.element,
      el(
        "div",
        { class: "side-by-side" },
        el("div", {}, heading("Plain continuation"), plain),
        el("div", {}, heading("Exact continuation"), exact),
      ),
    ),
  );
}

/** For each first byte of a likely next token, what that token adds to the text. */
async function continuations(
  lm: LanguageModel,
  { cover }: { cover: { pending: Uint8Array; next: { id: number; share: number }[] }[] },
): Promise<Map<number, string>> {
  const encoder = new TextEncoder();
  const found = new Map<number, { text: string; share: number }>();
  for (const { pending, next } of cover) {
    const names = await lm.tokenText(next.map(({ id }) => id));
    for (const [index, { share }] of next.entries()) {
      const rest = encoder.encode(names[index] ?? "").slice(pending.length);
      const first = rest[0];
      if (first === undefined || first === END) continue;
      const known = found.get(first);
      if (known === undefined || share > known.share) {
        found.set(first, { text: `goes on “${new TextDecoder().decode(rest)}”`, share });
      }
    }
  }
  return new Map([...found].map(([byte, { text }]) => [byte, text]));
}
