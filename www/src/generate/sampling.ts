import type { GenerateOptions } from "lexigraft";
import { announce } from "../announce.ts";
import type { App } from "../app.ts";
import { el, uniqueId } from "../dom.ts";
import { defaultSampling, inRange, ranges, type Sampling, stopStrings } from "../settings.ts";

interface NumberControl {
  key: Exclude<keyof Sampling, "stop">;
  testid: string;
  label: string;
  step: number;
  /** With a slider beside the number. */
  slider?: boolean;
  help: string;
}

const controls: readonly NumberControl[] = [
  {
    key: "temperature",
    testid: "temperature",
    label: "Temperature",
    step: 0.05,
    slider: true,
    help: "0 always takes the likeliest token; higher is more varied.",
  },
  {
    key: "topK",
    testid: "top-k",
    label: "Top-k",
    step: 1,
    help: "Choose among this many tokens; 0 for all.",
  },
  {
    key: "topP",
    testid: "top-p",
    label: "Top-p",
    step: 0.01,
    slider: true,
    help: "Choose among the likeliest tokens that together reach this share.",
  },
  {
    key: "minP",
    testid: "min-p",
    label: "Min-p",
    step: 0.01,
    slider: true,
    help: "Drop tokens below this fraction of the likeliest one.",
  },
  {
    key: "repetitionPenalty",
    testid: "repetition-penalty",
    label: "Repetition penalty",
    step: 0.01,
    slider: true,
    help: "Above 1, tokens already used become less likely.",
  },
  { key: "maxTokens", testid: "max-tokens", label: "Max tokens", step: 1, help: "Stop after this many." },
  {
    key: "seed",
    testid: "seed",
    label: "Seed",
    step: 1,
    help: "The same number gives the same text again. Empty: a new one each time.",
  },
];

/** The options of one run, as the controls stand. */
export function generateOptions(sampling: Sampling): GenerateOptions {
  const { stop, seed, ...numbers } = sampling;
  const stops = stopStrings(stop);
  return { ...numbers, ...(seed !== null && { seed }), ...(stops.length > 0 && { stop: stops }) };
}

/** The sampling column. */
export function samplingPanel({ settings, save }: App): HTMLElement {
  const refresh: (() => void)[] = [];

  const numberRow = ({ key, testid, label, step, slider, help }: NumberControl) => {
    const id = uniqueId(testid);
    const { min, max } = ranges[key];
    const input = el("input", {
      type: "number",
      id,
      testid,
      min,
      max,
      step: slider ? "any" : step,
      inputmode: slider ? "decimal" : "numeric",
      "aria-describedby": `${id}-help`,
      placeholder: key === "seed" ? "random" : undefined,
    });
    // For pointers only: the number beside it is the control that keyboards and readers use.
    const range =
      slider && el("input", { type: "range", min, max, step, tabindex: -1, "aria-hidden": "true" });
    const show = (withNumber: boolean) => {
      const value = settings.sampling[key];
      if (withNumber) input.value = value === null ? "" : String(value);
      if (range) {
        range.value = String(value);
        range.style.setProperty("--part", String(((value ?? min) - min) / (max - min)));
      }
    };
    const take = (text: string): boolean => {
      const value = text === "" ? null : Number(text);
      const fits = value === null ? key === "seed" : inRange(value, ranges[key]);
      if (fits) {
        Object.assign(settings.sampling, { [key]: value });
        save();
      }
      return fits;
    };
    input.addEventListener("input", () => {
      const fits = take(input.value) && !input.validity.badInput;
      input.setAttribute("aria-invalid", String(!fits));
      if (fits) show(false);
    });
    // What is out of range goes back to the last value that worked.
    input.addEventListener("change", () => {
      input.setAttribute("aria-invalid", "false");
      show(true);
    });
    if (range) {
      range.addEventListener("input", () => {
        take(range.value);
        show(true);
      });
    }
    refresh.push(() => show(true));
    return el(
      "div",
      { class: "control" },
      el("div", { class: "row" }, el("label", { for: id, class: "label" }, label), input),
      range,
      el("p", { id: `${id}-help`, class: "note" }, help),
    );
  };

  const stopId = uniqueId("stop");
  const stop = el("textarea", {
    id: stopId,
    rows: 2,
    class: "wide mono",
    testid: "stop-strings",
    spellcheck: "false",
    "aria-describedby": `${stopId}-help`,
  });
  stop.addEventListener("input", () => {
    settings.sampling.stop = stop.value;
    save();
  });
  refresh.push(() => {
    stop.value = settings.sampling.stop;
  });

  const reset = el("button", { type: "button", class: "quiet", testid: "reset-sampling" }, "Reset");
  reset.addEventListener("click", () => {
    Object.assign(settings.sampling, defaultSampling);
    save();
    for (const update of refresh) update();
    announce("Sampling settings are back at their defaults.");
  });

  const rows = controls.map(numberRow);
  for (const update of refresh) update();
  return el(
    "section",
    { class: "side sampling", "aria-labelledby": "sampling-heading" },
    el("div", { class: "row" }, el("h2", { id: "sampling-heading" }, "Sampling"), reset),
    ...rows,
    el(
      "div",
      { class: "control" },
      el("label", { for: stopId, class: "label" }, "Stop strings"),
      stop,
      el("p", { id: `${stopId}-help`, class: "note" }, "One a line; \\n is a line break."),
    ),
  );
}
