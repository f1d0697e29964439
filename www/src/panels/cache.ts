import { announce } from "../announce.ts";
import { el, fill } from "../dom.ts";
import { bytes } from "../format.ts";
import { nameOf } from "../models.ts";
import type { Session } from "../session.ts";

/** The downloaded models that this browser keeps, with their sizes and a way to delete them. */
export function cachePanel(session: Session): HTMLElement {
  const total = el("span", { class: "muted" });
  const list = el("ul", { class: "stored", testid: "cache-list", "aria-label": "Kept in this browser" });
  const clear = el("button", { type: "button", class: "quiet danger", testid: "cache-clear" }, "Delete all");
  clear.addEventListener("click", async () => {
    await session.deleteStored();
    announce("The downloaded models were deleted from this browser.");
  });
  session.stored.watch((entries) => {
    const sum = entries.reduce((size, entry) => size + entry.bytes, 0);
    total.textContent = entries.length === 0 ? "nothing yet" : bytes(sum);
    clear.hidden = entries.length === 0;
    fill(
      list,
      ...entries.map((entry) => {
        const name = nameOf(entry.url);
        const remove = el(
          "button",
          { type: "button", class: "quiet danger", testid: "cache-delete", "aria-label": `Delete ${name}` },
          "Delete",
        );
        remove.addEventListener("click", async () => {
          await session.deleteStored(entry.url);
          announce(`${name} was deleted from this browser.`);
        });
        return el(
          "li",
          {},
          el("span", { class: "stored-name", title: entry.url }, name),
          el("span", { class: "muted nowrap" }, bytes(entry.bytes)),
          remove,
        );
      }),
      entries.length === 0 &&
        el(
          "li",
          { class: "note" },
          "Models that you download are kept here, so that they load faster next time.",
        ),
    );
  });
  return el(
    "details",
    { class: "group fold", testid: "cache" },
    el("summary", {}, el("span", {}, "Kept in this browser"), total),
    list,
    clear,
  );
}
