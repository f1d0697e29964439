import { announce } from "../announce.ts";
import type { App } from "../app.ts";
import { watchAll } from "../cell.ts";
import { el, fill, uniqueId } from "../dom.ts";
import type { DeviceChoice } from "../settings.ts";

const kinds = { cpu: "CPU", webgpu: "WebGPU" } as const;

/** The device picker with the device in use and the reason for it. */
export function devicePanel({ session, settings, save }: App): HTMLElement {
  const id = uniqueId("device");
  const info = el("p", { id: `${id}-info`, class: "note", testid: "device-info" });
  const select = el(
    "select",
    { id, testid: "device-select", "aria-describedby": info.id },
    el("option", { value: "auto" }, "Auto"),
    el("option", { value: "webgpu" }, "WebGPU"),
    el("option", { value: "cpu" }, "CPU"),
  );
  select.addEventListener("change", async () => {
    const choice = select.value as DeviceChoice;
    const worked = await session.changeDevice(choice);
    if (!worked) return;
    settings.device = choice;
    save();
    announce(`Device in use: ${info.textContent}`);
  });
  session.engine.watch((engine) => {
    select.value = engine.choice;
    if (engine.status === "starting") fill(info, "Starting the device…");
    else if (engine.status === "failed") fill(info, "No device is running.");
    else {
      const { kind, adapter, reason, software } = engine.device;
      fill(
        info,
        el("strong", {}, kinds[kind]),
        adapter && ` · ${adapter}`,
        software && kind === "webgpu" && " (software)",
        reason && el("span", { class: "block" }, reason),
      );
    }
  });
  watchAll([session.engine, session.loading], () => {
    select.disabled = session.engine.value.status === "starting" || session.loading.value !== null;
  });
  return el(
    "div",
    { class: "group" },
    el("div", { class: "row" }, el("label", { for: id, class: "label" }, "Device"), select),
    info,
  );
}
