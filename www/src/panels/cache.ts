import type { CacheEntry } from "lexigraft";
import { announce } from "../announce.ts";
import { el, fill } from "../dom.ts";
import { bytes, moment } from "../format.ts";
import { nameOf } from "../models.ts";
import type { Session, Stored } from "../session.ts";

/** What lies beside the weights has the same name in every model's folder. */
const COMMON = /^(tokenizer|config|model)\.(json|safetensors)$/;

/** The downloaded files that this browser keeps, with size and date, the room there is, and ways to delete them. */
export function cachePanel(session: Session): HTMLElement {
  const total = el("span", { class: "muted", testid: "cache-total" });
  const summary = el("summary", {}, el("span", {}, "Kept in this browser"), total);
  const list = el("ul", { class: "stored", testid: "cache-list", "aria-label": "Kept in this browser" });
  const room = el("p", { class: "note", testid: "cache-room" });
  const clear = el("button", { type: "button", class: "quiet danger", testid: "cache-clear" }, "Delete all");
  clear.addEventListener("click", async () => {
    await session.deleteStored();
    summary.focus();
    announce("The downloaded models were deleted from this browser.");
  });

  const item = (entry: CacheEntry, index: number) => {
    const name = labelOf(entry.url);
    const remove = el(
      "button",
      { type: "button", class: "quiet danger", testid: "cache-delete", "aria-label": `Delete ${name}` },
      "Delete",
    );
    remove.addEventListener("click", async () => {
      await session.deleteStored(entry.url);
      // The button is gone, and the focus would be with it.
      const others = list.querySelectorAll("button");
      (others[Math.min(index, others.length - 1)] ?? summary).focus();
      announce(`${name} was deleted from this browser.`);
    });
    const { host } = new URL(entry.url);
    return el(
      "li",
      { testid: "cache-entry" },
      el("span", { class: "stored-name", title: entry.url }, name),
      remove,
      el(
        "span",
        { class: "muted stored-facts" },
        `${bytes(entry.bytes)} · `,
        el("time", { datetime: entry.storedAt }, moment(new Date(entry.storedAt))),
        host !== location.host && ` · ${host}`,
      ),
    );
  };

  session.stored.watch((stored) => {
    const { entries, usage } = stored;
    total.textContent = usage.bytes + usage.unfinishedBytes === 0 ? "nothing yet" : bytes(usage.bytes);
    clear.hidden = usage.bytes + usage.unfinishedBytes === 0;
    fill(
      list,
      ...entries.map(item),
      entries.length === 0 &&
        el(
          "li",
          { class: "note" },
          "Models that you download are kept here, so that they load faster next time, without a network too.",
        ),
    );
    room.textContent = roomText(stored);
  });
  return el("details", { class: "group fold cache", testid: "cache" }, summary, list, room, clear);
}

function labelOf(url: string): string {
  const name = nameOf(url);
  if (!COMMON.test(name)) return name;
  const folder = new URL(".", url).href.replace(/\/$/, "");
  return `${nameOf(folder)}/${name}`;
}

function roomText({ usage: { unfinishedBytes, originBytes, quotaBytes } }: Stored): string {
  const cut =
    unfinishedBytes > 0
      ? `${bytes(unfinishedBytes)} of cut downloads go on when they are loaded again. `
      : "";
  if (quotaBytes === undefined || originBytes === undefined) return cut;
  return `${cut}This site uses ${bytes(originBytes)} of the ${bytes(quotaBytes)} that the browser allows it.`;
}
