import { el } from "./dom.ts";

/** Buttons that put a text into `field`. */
export function exampleButtons(field: HTMLTextAreaElement, examples: string[]): HTMLElement {
  const buttons = examples.map((example) =>
    el(
      "button",
      {
        type: "button",
        class: "example",
        on: {
          click: () => {
            field.value = example;
            field.focus();
          },
        },
      },
      example.trim(),
    ),
  );
  return el("p", { class: "examples" }, el("span", { class: "muted" }, "Try"), ...buttons);
}
