import { el, fill } from "../dom.ts";
import type { Session } from "../session.ts";

/** The error panel: what happened, its code, and what to do next on this page. */
export function mountErrors(host: HTMLElement, session: Session): void {
  // The live region must exist before its content for the content to be spoken.
  const region = el("div", { role: "alert" });
  host.append(region);
  session.error.watch((error) => {
    if (!error) {
      fill(region);
      return;
    }
    const panel = el(
      "section",
      { class: "error", testid: "error", "aria-label": "Error" },
      el(
        "div",
        { class: "error-text" },
        el(
          "p",
          { class: "error-title" },
          `${error.title} `,
          el("code", { testid: "error-code" }, error.code),
        ),
        el("p", { testid: "error-message", class: "error-message" }, error.message),
        el("p", { testid: "error-next", class: "error-next" }, error.next),
      ),
      el(
        "button",
        {
          type: "button",
          class: "quiet",
          testid: "error-dismiss",
          on: { click: () => session.error.set(null) },
        },
        "Dismiss",
      ),
    );
    fill(region, panel);
    panel.scrollIntoView({ block: "nearest" });
  });
}
