import type { App } from "../app.ts";
import { el, uniqueId } from "../dom.ts";
import { exampleButtons } from "../examples.ts";
import { copyButton } from "./copy.ts";
import { commandKey, type Desk, type Mode } from "./desk.ts";
import { runInto } from "./run.ts";
import { followEnd } from "./scroll.ts";

const examples = ["The capital of France is", "Once upon a time in an orchard,", "def fibonacci(n):\n"];

/** Prompt mode: a text and its continuation. */
export function promptMode(app: App, desk: Desk): Mode {
  const id = uniqueId("prompt");
  const prompt = el("textarea", {
    id,
    class: "sheet-text",
    rows: 3,
    testid: "prompt",
    placeholder: "Write the beginning; the model goes on.",
  });
  const view = desk.view("output");
  const box = el(
    "div",
    { class: "output-box", role: "region", "aria-label": "Generated text", tabindex: 0 },
    view.element,
    el("p", { class: "placeholder", "aria-hidden": "true" }, "The continuation grows here."),
  );
  box.addEventListener("keydown", desk.inspector.onKey);
  followEnd(box);

  const start = async () => {
    if (!desk.ready) return;
    desk.inspect(undefined);
    await runInto(app, view, desk.stats, (lm, options) => lm.generate(prompt.value, options));
    desk.inspect(view);
  };
  const startButton = el(
    "button",
    {
      type: "button",
      class: "primary",
      testid: "generate",
      "aria-keyshortcuts": "Control+Enter Meta+Enter",
      on: { click: () => void start() },
    },
    "Generate",
  );
  desk.gate(startButton);

  const toolbar = el("div", { class: "toolbar" }, startButton);
  const copy = copyButton(
    "copy",
    () => view.text,
    () => view.element,
  );
  const element = el(
    "div",
    { class: "mode" },
    el("label", { for: id, class: "label" }, "Prompt"),
    prompt,
    exampleButtons(prompt, examples),
    toolbar,
    el("hr", { class: "graft-line" }),
    el("div", { class: "row" }, el("h3", { class: "label" }, "Continuation"), copy),
    box,
  );
  return { element, toolbar, startButton, current: () => view, start, hint: `${commandKey} + Enter` };
}
