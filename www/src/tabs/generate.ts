import type { App } from "../app.ts";
import { el, uniqueId } from "../dom.ts";
import { chatMode } from "../generate/chat.ts";
import { Desk } from "../generate/desk.ts";
import { promptMode } from "../generate/prompt.ts";
import { samplingPanel } from "../generate/sampling.ts";
import type { Mode as ModeName } from "../settings.ts";
import type { Tab } from "./tab.ts";

/** Continue a text, or talk. */
export const generate: Tab = { id: "generate", label: "Generate", mount };

function mount(panel: HTMLElement, app: App): void {
  const { session, settings, save } = app;
  const desk = new Desk(app);
  const modes = { prompt: promptMode(app, desk), chat: chatMode(app, desk) };
  const body = el("div", { class: "mode-body" });

  const group = uniqueId("mode");
  const segment = (mode: ModeName, label: string) => {
    const input = el("input", { type: "radio", name: group, value: mode, testid: `mode-${mode}` });
    input.checked = settings.mode === mode;
    input.addEventListener("change", () => {
      settings.mode = mode;
      save();
      void show();
    });
    return el("label", { class: "segment" }, input, el("span", {}, label));
  };

  const shading = el("input", { type: "checkbox", testid: "log-probs" });
  shading.checked = settings.showLogProbs;
  shading.addEventListener("change", () => {
    settings.showLogProbs = shading.checked;
    save();
    shade();
  });

  const sheet = el(
    "section",
    { class: "sheet", "aria-labelledby": "generate-heading" },
    el("h2", { id: "generate-heading", class: "visually-hidden" }, "Generate"),
    el(
      "div",
      { class: "sheet-head" },
      el(
        "div",
        { class: "segments", role: "radiogroup", "aria-label": "Mode" },
        segment("prompt", "Prompt"),
        segment("chat", "Chat"),
      ),
      el(
        "label",
        {
          class: "check",
          title: "Colours each token by how likely the model found it; from the next run on",
        },
        shading,
        "Shade by likelihood",
      ),
    ),
    body,
    desk.inspector.element,
    desk.stats.element,
  );

  const shade = () => {
    sheet.classList.toggle("shaded", settings.showLogProbs);
    desk.inspect(modes[settings.mode].current());
  };
  const show = async () => {
    await session.stopRun();
    const mode = modes[settings.mode];
    body.replaceChildren(mode.element);
    desk.enter(mode);
    shade();
  };

  // A disabled button drops the focus: hand it from Generate to Stop and back.
  session.running.watch((running) => {
    const { startButton } = modes[settings.mode];
    const [from, to] = running ? [startButton, desk.stop] : [desk.stop, startButton];
    if (document.activeElement === from) to.focus({ preventScroll: true });
  });

  document.addEventListener("keydown", (event) => {
    if (panel.hidden) return;
    if (event.key === "Escape" && session.running.value) void session.stopRun();
    else if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !event.isComposing) {
      event.preventDefault();
      void modes[settings.mode].start();
    }
  });

  panel.classList.add("generate");
  panel.append(sheet, samplingPanel(app));
  void show();
}
