import { announce } from "../announce.ts";
import { el, fill, uniqueId } from "../dom.ts";
import { bytes } from "../format.ts";
import type { LoadState, Session } from "../session.ts";

const phases: Record<LoadState["phase"], string> = {
  start: "Starting",
  download: "Downloading",
  verify: "Checking",
  load: "Moving to the device",
};

function phaseText({ phase, fromCache }: LoadState): string {
  if (!fromCache) return phases[phase];
  return phase === "download" ? "Reading this browser's copy" : `${phases[phase]} (from this browser's copy)`;
}

/**
 * The progress of a load with its Cancel button; hidden when nothing loads. The button that starts a load is disabled
 * meanwhile: the focus that it would drop goes to Cancel and back.
 */
export function progressPanel(session: Session, loadButton: HTMLButtonElement): HTMLElement {
  const id = uniqueId("progress");
  const bar = el("progress", { id, testid: "progress", max: 1 });
  const phase = el("label", { for: id });
  const percent = el("span", { class: "numeric", testid: "progress-percent" });
  const amount = el("span", { class: "muted numeric", testid: "progress-bytes" });
  const rate = el("span", { class: "muted numeric", testid: "progress-rate" });
  const cancel = el("button", { type: "button", testid: "cancel-load", class: "quiet" }, "Cancel");
  cancel.addEventListener("click", () => {
    session.cancelLoad();
    announce("Loading was cancelled.");
  });
  const panel = el(
    "div",
    { class: "progress", hidden: true },
    el("div", { class: "row" }, phase, percent),
    bar,
    el("div", { class: "row" }, el("span", { class: "amounts" }, amount, rate), cancel),
  );

  // Spoken once a phase, and at the quarters: more would talk without end.
  let spoken = "";
  session.loading.watch((state) => {
    const from = document.activeElement;
    panel.hidden = state === null;
    loadButton.disabled = state !== null;
    if (state && from === loadButton) cancel.focus({ preventScroll: true });
    if (!state && from === cancel) loadButton.focus({ preventScroll: true });
    if (!state) {
      spoken = "";
      bar.removeAttribute("value");
      return;
    }
    const { loaded, total } = state;
    const part = total ? Math.min(1, loaded / total) : undefined;
    fill(phase, phaseText(state));
    fill(percent, part === undefined ? "" : `${Math.floor(part * 100)} %`);
    fill(amount, total ? `${bytes(loaded)} of ${bytes(total)}` : loaded > 0 ? bytes(loaded) : "");
    fill(rate, state.rate === undefined ? "" : `${bytes(state.rate)}/s`);
    if (part === undefined) bar.removeAttribute("value");
    else bar.value = part;
    const quarter = `${phaseText(state)} ${Math.floor((part ?? 0) * 4) * 25} %`;
    if (quarter !== spoken) {
      spoken = quarter;
      announce(quarter);
    }
  });
  return panel;
}
