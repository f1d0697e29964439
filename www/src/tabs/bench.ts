import { announce } from "../announce.ts";
import type { App } from "../app.ts";
import { measure, progress, type Round, type Step } from "../bench/measure.ts";
import { browserName, figures, makeReport } from "../bench/report.ts";
import { Results } from "../bench/results.ts";
import { watchAll } from "../cell.ts";
import { el, uniqueId } from "../dom.ts";
import { commandKey } from "../generate/desk.ts";
import { type BenchSettings, inRange, ranges } from "../settings.ts";
import type { Tab } from "./tab.ts";

/** Measures the loaded model on this device. */
export const bench: Tab = { id: "bench", label: "Bench", mount };

function mount(panel: HTMLElement, app: App): void {
  const { session, settings, save } = app;
  const results = new Results();
  /** Whether the run in progress is this tab's: the other tabs run things too. */
  let measuring = false;

  const barId = uniqueId("bench-progress");
  const bar = el("progress", { id: barId, max: 1, value: 0, testid: "bench-progress" });
  const phase = el("label", { for: barId, testid: "bench-phase" });
  const status = el("div", { class: "progress", hidden: true }, phase, bar);

  const ready = () =>
    session.model.value !== null && session.loading.value === null && !session.running.value;

  const start = async () => {
    const { model, engine } = session;
    if (!ready() || !model.value || engine.value.status !== "ready") return;
    const { lm, source } = model.value;
    const { device } = engine.value;
    const plan = { ...settings.bench };
    let drawn = 0;
    measuring = true;
    results.show(undefined);
    announce("Measuring.");
    const rounds = await session.run((loaded, signal) =>
      measure(loaded, plan, signal, (step) => onStep(step)),
    );
    measuring = false;
    status.hidden = true;
    if (!rounds) {
      results.show(undefined);
      // A fault has its own panel; without one it was the person who ended it.
      if (!session.error.value) announce("The measurement was cancelled.");
      return refresh();
    }
    await finish(rounds);
    refresh();

    function onStep(step: Step): void {
      // A few times a second: drawing takes time from what is measured.
      const now = performance.now();
      if (step.tokens > 0 && now - drawn < 250) return;
      drawn = now;
      status.hidden = false;
      bar.value = progress(step, plan);
      phase.textContent = step.round === 0 ? "Warm-up, not counted" : `Round ${step.round} of ${plan.rounds}`;
      if (step.tokens === 0) results.live(step.done);
    }

    async function finish(found: Round[]): Promise<void> {
      const report = makeReport({
        date: new Date(),
        browser: browserName(navigator.userAgent),
        modelName: lm.info.name || source.label,
        info: lm.info,
        device,
        memory: await session.memory(),
        plan,
        rounds: found,
      });
      results.show(report);
      announce(
        `Measured. ${figures(report)
          .map(({ name, median }) => `${name}: ${median}`)
          .join("; ")}.`,
      );
    }
  };

  const startButton = el(
    "button",
    {
      type: "button",
      class: "primary",
      testid: "bench-start",
      "aria-keyshortcuts": "Control+Enter Meta+Enter",
      on: { click: () => void start() },
    },
    "Measure",
  );
  const cancelButton = el(
    "button",
    {
      type: "button",
      testid: "bench-cancel",
      "aria-keyshortcuts": "Escape",
      on: { click: () => void session.stopRun() },
    },
    "Cancel",
  );
  const note = el("span", { class: "note", testid: "bench-note" });
  const inputs = [
    numberInput("tokens", "Tokens a round", ranges.benchTokens.min, ranges.benchTokens.max),
    numberInput("rounds", "Rounds", ranges.benchRounds.min, ranges.benchRounds.max),
  ];

  function numberInput(key: keyof BenchSettings, label: string, min: number, max: number) {
    const id = uniqueId(`bench-${key}`);
    const input = el("input", {
      type: "number",
      id,
      min,
      max,
      step: 1,
      inputmode: "numeric",
      testid: `bench-${key}`,
    });
    input.value = String(settings.bench[key]);
    input.addEventListener("change", () => {
      const value = Number(input.value);
      if (input.value !== "" && inRange(value, { min, max, integer: true })) {
        settings.bench[key] = value;
        save();
      }
      // What is out of range goes back to the last value that worked.
      input.value = String(settings.bench[key]);
    });
    const row = el("div", { class: "bench-input" }, el("label", { for: id, class: "label" }, label), input);
    return { input, row };
  }

  const refresh = () => {
    const running = session.running.value;
    const mine = running && measuring;
    // A disabled control drops the focus: hand it on first.
    const from = document.activeElement;
    const to = mine ? cancelButton : startButton;
    if (mine ? panel.contains(from) : from === cancelButton) {
      to.disabled = false;
      to.focus({ preventScroll: true });
    }
    startButton.disabled = !ready();
    cancelButton.disabled = !mine;
    for (const { input } of inputs) input.disabled = mine;
    note.textContent = mine
      ? "Esc cancels. Leave the device alone until it is done."
      : running
        ? "The model is at work in another tab."
        : session.loading.value
          ? "Loading the model…"
          : session.model.value
            ? `${commandKey} + Enter`
            : "Load a model first.";
  };
  watchAll([session.model, session.loading, session.running], refresh);

  document.addEventListener("keydown", (event) => {
    if (panel.hidden) return;
    if (event.key === "Escape" && measuring) void session.stopRun();
    else if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !event.isComposing) {
      event.preventDefault();
      void start();
    }
  });

  panel.classList.add("bench");
  panel.append(
    el(
      "section",
      { class: "sheet", "aria-labelledby": "bench-heading" },
      el("h2", { id: "bench-heading" }, "How fast is it here?"),
      el(
        "p",
        { class: "bench-lead" },
        "Reads one fixed text with the loaded model and writes on, greedily, several times in a row; the first " +
          "time is not counted.",
      ),
      el("div", { class: "bench-inputs" }, ...inputs.map(({ row }) => row)),
      el("div", { class: "toolbar" }, startButton, cancelButton, note),
      status,
      results.element,
    ),
  );
}
