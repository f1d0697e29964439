import type { GraftMethod, GraftProgress } from "lexigraft";
import { announce } from "../announce.ts";
import type { App } from "../app.ts";
import { watchAll } from "../cell.ts";
import { el, uniqueId } from "../dom.ts";
import { integer } from "../format.ts";
import { Grafting } from "../graft/grafting.ts";
import { LanguageTable } from "../graft/language-table.ts";
import { Outcome } from "../graft/outcome.ts";
import { Segments } from "../graft/segments.ts";
import { offered } from "../graft/tokenizers.ts";
import type { Tab } from "./tab.ts";

/** Gives the model another tokenizer. */
export const graft: Tab = { id: "graft", label: "Graft", mount };

const SAMPLE =
  "Grafting keeps the layers of a model and changes its tokens.\n" +
  "Die Überraschung gelang: Grüße aus München, 你好, здравствуйте 😀\n" +
  "def total(prices):\n    return sum(price * 1.19 for price in prices)\n";
const PROMPT = "The capital of France is";
/** Scored whole; a longer text would take minutes. */
const MOST_CHARACTERS = 4000;

const methods: readonly { value: GraftMethod; label: string }[] = [
  { value: "fvt", label: "mean of the pieces (fvt)" },
  { value: "hypernetwork", label: "hypernetwork, for SmolLM2 135M" },
  { value: "fvt+first-piece", label: "mean, and a head of first pieces" },
  { value: "mean", label: "one mean row for all" },
  { value: "zero", label: "nought" },
];

const phases: Record<GraftProgress["phase"], string> = {
  download: "Downloading",
  verify: "Checking the file",
  source: "Reading the model's rows",
  tokenizer: "Comparing the tokens",
  prepare: "Asking the model",
  rows: "Making rows",
  move: "Moving to the device",
};

function mount(panel: HTMLElement, app: App): void {
  const { session } = app;
  const grafting = new Grafting(session);
  const outcome = new Outcome(grafting);
  const table = new LanguageTable();
  const own = new Segments("segments-own");
  const other = new Segments("segments-other");

  const select = el(
    "select",
    { id: uniqueId("tokenizer"), testid: "graft-tokenizer" },
    ...offered.map(({ id, label }) => el("option", { value: id }, label)),
    el("option", { value: "file", hidden: true }, "your file"),
  );
  const fileOption = select.options[offered.length];
  const input = el("input", {
    type: "file",
    class: "visually-hidden",
    accept: ".json",
    "aria-label": "A tokenizer.json",
    testid: "graft-file",
    on: {
      change: () => {
        const file = input.files?.[0];
        if (file) takeFile(file);
        input.value = "";
      },
    },
  });
  let given: File | undefined;
  function takeFile(file: File): void {
    given = file;
    if (fileOption) {
      fileOption.hidden = false;
      fileOption.textContent = file.name;
    }
    select.value = "file";
    void choose();
  }
  const choose = async (unasked = false) => {
    const known = offered.find(({ id }) => id === select.value);
    const source = known ?? (given && { id: "file", label: given.name, from: given });
    if (source) await grafting.choose(source, unasked);
  };
  select.addEventListener("change", () => void choose());

  const text = el("textarea", {
    id: uniqueId("graft-text"),
    class: "sheet-text",
    rows: 4,
    maxlength: MOST_CHARACTERS,
    testid: "graft-text",
  });
  text.value = SAMPLE;
  const prompt = el("input", { type: "text", id: uniqueId("graft-prompt"), testid: "graft-prompt" });
  prompt.value = PROMPT;
  const method = el(
    "select",
    { id: uniqueId("method"), testid: "graft-method" },
    ...methods.map(({ value, label }) => el("option", { value }, label)),
  );
  const lossy = el("input", { type: "checkbox", id: uniqueId("lossy"), testid: "graft-lossy" });
  const lossText = el("span", {});
  const loss = el("p", { class: "note graft-loss", hidden: true, testid: "graft-loss" }, lossText);
  loss.append(" ", lossy, el("label", { for: lossy.id }, "Graft it all the same"));

  const start = el(
    "button",
    { type: "button", class: "primary", testid: "graft-start", on: { click: () => void run() } },
    "Graft",
  );
  const stop = el(
    "button",
    {
      type: "button",
      testid: "graft-stop",
      "aria-keyshortcuts": "Escape",
      on: { click: () => void session.stopRun() },
    },
    "Stop",
  );
  const note = el("span", { class: "note", testid: "graft-note" });

  const barId = uniqueId("graft-progress");
  const bar = el("progress", { id: barId, max: 1, testid: "graft-progress" });
  const phase = el("label", { for: barId, testid: "graft-phase" });
  const progress = el("div", { class: "progress", hidden: true }, phase, bar);

  const run = () =>
    grafting.graft(method.value as GraftMethod, lossy.checked, (grafted, signal) =>
      outcome.look(grafted, text.value, prompt.value, signal),
    );

  let spoken = "";
  grafting.progress.watch((state) => {
    progress.hidden = state === null;
    if (state === null) {
      spoken = "";
      return;
    }
    const { done, total } = state;
    phase.textContent =
      state.phase === "rows" && total
        ? `${phases.rows}, ${integer(done)} of ${integer(total)}`
        : phases[state.phase];
    if (total) bar.value = done / total;
    else bar.removeAttribute("value");
    if (spoken !== state.phase) announce(phases[state.phase]);
    spoken = state.phase;
  });
  grafting.grafted.watch((grafted) => {
    if (grafted === null) outcome.hide();
    panel.dataset.grafted = grafted ? grafted.label : "";
  });

  const ownName = () => session.model.value?.source.label ?? "The model";
  let shown = 0;
  /** Cuts the text by both; a later call overtakes an earlier one. */
  async function segment(): Promise<void> {
    shown += 1;
    const mine = shown;
    const [model, chosen] = [grafting.original, grafting.chosen.value];
    const written = text.value;
    try {
      const before = await model?.segment(written);
      const after = await chosen?.tokenizer.segment(written);
      if (mine !== shown) return;
      if (before) own.show(ownName(), written, before);
      else own.clear("The model", "Load a model first.");
      if (chosen && after) other.show(chosen.source.label, written, after);
      else other.clear("The other tokenizer", grafting.loading.value ? "Loading…" : "None yet.");
    } catch {
      // The model or the tokenizer was put away meanwhile; what comes next draws again.
    }
  }
  async function compare(): Promise<void> {
    const [model, chosen] = [grafting.original, grafting.chosen.value];
    table.element.hidden = !model;
    if (!model) return;
    const after = chosen ? { name: chosen.source.label, tokenizer: chosen.tokenizer } : undefined;
    await table.show({ name: ownName(), model }, after).catch(() => undefined);
  }
  let typing: ReturnType<typeof setTimeout> | undefined;
  text.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(() => void segment(), 120);
  });
  watchAll([session.model, grafting.chosen], () => {
    const described = grafting.chosen.value?.tokenizer.info.loss;
    loss.hidden = described === undefined;
    lossText.textContent = described ?? "";
    outcome.showWorn();
    void segment();
    void compare();
  });

  const ready = () =>
    grafting.original !== undefined &&
    grafting.chosen.value !== null &&
    !grafting.loading.value &&
    session.loading.value === null &&
    !session.running.value;
  watchAll([session.model, session.loading, session.running, grafting.chosen, grafting.loading], () => {
    const from = document.activeElement;
    const running = session.running.value;
    stop.disabled = !running;
    if (running && from === start) stop.focus({ preventScroll: true });
    start.disabled = !ready();
    select.disabled = running;
    if (!running && from === stop) start.focus({ preventScroll: true });
    panel.dataset.tokenizer = grafting.loading.value
      ? "loading"
      : (grafting.chosen.value?.source.id ?? "none");
    note.textContent = running
      ? "Esc stops"
      : session.loading.value
        ? "Loading the model…"
        : grafting.original === undefined
          ? "Load a model first."
          : grafting.loading.value
            ? "Loading the tokenizer…"
            : grafting.chosen.value === null
              ? "Choose a tokenizer first."
              : "";
  });
  document.addEventListener("keydown", (event) => {
    if (!panel.hidden && event.key === "Escape" && session.running.value) void session.stopRun();
  });
  app.tokenizers.watch((file) => {
    if (file) takeFile(file);
    else void choose(true);
  });

  const field = (label: string, control: HTMLElement) =>
    el("div", { class: "graft-field" }, el("label", { for: control.id, class: "label" }, label), control);
  panel.classList.add("graft");
  panel.append(
    el(
      "section",
      { class: "sheet", "aria-labelledby": "graft-heading" },
      el("h2", { id: "graft-heading" }, "The same model, other tokens"),
      el(
        "p",
        { class: "bench-lead" },
        "A graft keeps the layers of a model and gives it another tokenizer. Nothing is trained: a token that the " +
          "model has keeps its row, a new one gets a row made of its pieces. Fewer tokens for a text mean fewer " +
          "steps, and what the model loses shows in the bits per byte.",
      ),
      el(
        "div",
        { class: "graft-fields" },
        field("Tokenizer", select),
        el("label", { class: "button" }, "Choose a tokenizer.json…", input),
      ),
      el("label", { for: text.id, class: "label" }, "Your text"),
      text,
      el("div", { class: "side-by-side" }, own.element, other.element),
      el(
        "details",
        { class: "fold", open: true },
        el("summary", {}, "The same sentences in other languages"),
        table.element,
      ),
      el("hr", { class: "graft-line" }),
      el("div", { class: "graft-fields" }, field("New rows by", method), field("Continue", prompt)),
      loss,
      el("div", { class: "toolbar" }, start, stop, note),
      progress,
      outcome.element,
    ),
  );
}
