import { announce } from "../announce.ts";
import { el, fill } from "../dom.ts";
import { bytes, duration, integer, parameters } from "../format.ts";
import type { LoadedModel, Session } from "../session.ts";

function facts({ lm, fromCache, source, seconds }: LoadedModel): [string, string][] {
  const { info } = lm;
  const origin = fromCache ? "this browser's copy" : typeof source.weights === "string" ? "download" : "file";
  return [
    ["Architecture", `${info.architecture}, ${info.layers} layers`],
    ["Parameters", parameters(info.parameters)],
    ["Weights", info.quantization],
    ["Context", `${integer(info.contextLength)} tokens`],
    ["Vocabulary", `${integer(info.vocabSize)} tokens`],
    ["File", bytes(info.fileBytes)],
    ["In memory", bytes(info.residentBytes)],
    ["Loaded", `from ${origin} in ${duration(seconds * 1000)}`],
  ];
}

/** What is known about the loaded model; hidden while there is none. */
export function modelInfo(session: Session): HTMLElement {
  const name = el("p", { class: "model-name", testid: "model-name" });
  const list = el("dl", { class: "facts" });
  // On a narrow screen the facts would push the work area out of sight.
  const fold = el(
    "details",
    { class: "fold", open: matchMedia("(min-width: 46rem)").matches },
    el("summary", {}, "Details"),
    list,
  );
  const warnings = el("div", { class: "note" });
  const unload = el("button", { type: "button", class: "quiet", testid: "unload" }, "Unload");
  unload.addEventListener("click", async () => {
    await session.unload();
    announce("The model was unloaded.");
  });
  const panel = el(
    "div",
    { class: "group model-info", testid: "model-info", hidden: true },
    el("div", { class: "row" }, name, unload),
    fold,
    warnings,
  );
  session.model.watch((model) => {
    panel.hidden = model === null;
    if (!model) return;
    panel.dataset.fromCache = String(model.fromCache);
    name.textContent = model.lm.info.name || model.source.label;
    fill(
      list,
      ...facts(model).map(([term, value]) => el("div", {}, el("dt", {}, term), el("dd", {}, value))),
    );
    fill(warnings, ...model.warnings.map((warning) => el("p", {}, warning)));
    announce(`${name.textContent} is loaded.`);
  });
  return panel;
}
