import type { App } from "./app.ts";
import { el } from "./dom.ts";
import { tabs } from "./tabs/index.ts";
import type { Tab } from "./tabs/tab.ts";

interface Mounted {
  tab: Tab;
  button: HTMLElement;
  panel: HTMLElement;
  built: boolean;
}

/** Builds the tab bar and shows the tab that the address names; a tab is built when first shown. */
export function mountTabs(bar: HTMLElement, host: HTMLElement, app: App): void {
  const mounted: Mounted[] = tabs.map((tab) => {
    const panel = el("div", {
      id: `panel-${tab.id}`,
      role: "tabpanel",
      "aria-labelledby": `tab-${tab.id}`,
      hidden: true,
    });
    const button = el(
      "button",
      {
        type: "button",
        id: `tab-${tab.id}`,
        role: "tab",
        class: "tab",
        testid: `tab-${tab.id}`,
        "aria-controls": `panel-${tab.id}`,
      },
      tab.label,
    );
    return { tab, button, panel, built: false };
  });
  bar.append(...mounted.map((item) => item.button));
  host.append(...mounted.map((item) => item.panel));

  const show = (id: string): void => {
    const chosen = mounted.find((item) => item.tab.id === id) ?? mounted[0];
    for (const item of mounted) {
      const selected = item === chosen;
      item.button.setAttribute("aria-selected", String(selected));
      item.button.tabIndex = selected ? 0 : -1;
      item.panel.hidden = !selected;
      if (selected && !item.built) {
        item.built = true;
        item.tab.mount(item.panel, app);
      }
      // The bar scrolls where it is too narrow for all.
      if (selected) item.button.scrollIntoView({ block: "nearest", inline: "nearest" });
    }
  };
  const go = (to: number): void => {
    const item = mounted[(to + mounted.length) % mounted.length];
    item?.button.focus();
    item?.button.click();
  };
  mounted.forEach((item, index) => {
    item.button.addEventListener("click", () => {
      history.replaceState(null, "", `#${item.tab.id}`);
      show(item.tab.id);
    });
    item.button.addEventListener("keydown", (event) => {
      const to = { ArrowRight: index + 1, ArrowLeft: index - 1, Home: 0, End: -1 }[event.key];
      if (to === undefined) return;
      // Home and End would scroll the page.
      event.preventDefault();
      go(to);
    });
  });
  addEventListener("hashchange", () => show(location.hash.slice(1)));
  show(location.hash.slice(1));
}
