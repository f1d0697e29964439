import { announce } from "../announce.ts";
import { el } from "../dom.ts";

/** A button that copies a text; where the clipboard is closed it selects the text instead. */
export function copyButton(
  testid: string,
  text: () => string,
  shown: () => HTMLElement,
  name = "Copy",
): HTMLButtonElement {
  const button = el("button", { type: "button", class: "quiet", testid }, name);
  let back: ReturnType<typeof setTimeout> | undefined;
  const say = (label: string, sentence: string) => {
    button.textContent = label;
    announce(sentence);
    clearTimeout(back);
    back = setTimeout(() => {
      button.textContent = name;
    }, 2000);
  };
  button.addEventListener("click", async () => {
    if (text() === "") {
      announce("There is no text to copy yet.");
      return;
    }
    try {
      await navigator.clipboard.writeText(text());
      say("Copied", "The text was copied.");
    } catch {
      // Pages without https have no clipboard.
      getSelection()?.selectAllChildren(shown());
      say("Selected", "The text is selected: press Control or Command and C to copy it.");
    }
  });
  return button;
}
