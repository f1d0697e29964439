import type { ByteGenerateOptions } from "lexigraft";
import { el, uniqueId } from "../dom.ts";

type Kind = "regex" | "jsonSchema" | "grammar";

interface Example {
  label: string;
  prompt: string;
  text: string;
}

const examples: Record<Kind, Example> = {
  jsonSchema: {
    label: "JSON schema",
    prompt: "A famous scientist, as a record: ",
    text: JSON.stringify(
      {
        type: "object",
        properties: {
          name: { type: "string", maxLength: 40 },
          born: { type: "integer", minimum: 1500, maximum: 2000 },
          field: { enum: ["physics", "chemistry", "biology", "mathematics"] },
        },
        required: ["name", "born", "field"],
        additionalProperties: false,
      },
      null,
      2,
    ),
  },
  grammar: {
    label: "grammar (Lark)",
    prompt: "Three things to buy:\n",
    text: 'start: item "\\n" item "\\n" item\nitem: "- " NUMBER " " WORD\nNUMBER: /[1-9][0-9]?/\nWORD: /[a-z]{3,12}/',
  },
  regex: {
    label: "regular expression",
    prompt: "She was born on ",
    text: "[0-9]{4}-[0-9]{2}-[0-9]{2}",
  },
};

/** Where a constraint is written, and what was generated under it is shown. */
export class ConstraintForm {
  readonly element: HTMLElement;
  readonly output = el("div", { class: "text", testid: "constrained-text" });
  readonly #kind = el(
    "select",
    { id: uniqueId("constraint-kind"), testid: "constraint-kind", on: { change: () => this.#fill() } },
    ...Object.entries(examples).map(([value, { label }]) => el("option", { value }, label)),
  );
  readonly #text = el("textarea", {
    id: uniqueId("constraint"),
    class: "mono",
    rows: 8,
    spellcheck: "false",
    testid: "constraint",
  });
  /** Whether what is written is the example, which may go when another kind is chosen. */
  #untouched = true;

  /** `button` generates; `prompt` is where an example writes its own. */
  constructor(button: HTMLButtonElement, prompt: HTMLTextAreaElement) {
    const example = () => {
      this.#untouched = true;
      this.#fill();
      prompt.value = this.#example.prompt;
    };
    this.#text.addEventListener("input", () => {
      this.#untouched = this.#text.value === "";
    });
    this.#fill();
    this.element = el(
      "details",
      { class: "fold", testid: "constraint-form" },
      el("summary", {}, "Under a constraint"),
      el(
        "div",
        { class: "bytes-constraint" },
        el("label", { for: this.#kind.id, class: "label" }, "What is written must satisfy this"),
        this.#kind,
        el("label", { for: this.#text.id, class: "visually-hidden" }, "Constraint"),
        this.#text,
        el(
          "div",
          { class: "toolbar" },
          button,
          el(
            "button",
            { type: "button", testid: "constraint-example", on: { click: example } },
            "Prompt that fits the example",
          ),
        ),
        this.output,
      ),
    );
  }

  /** The constraint as the package takes it. */
  options(): Pick<ByteGenerateOptions, Kind> {
    return { [this.#kind.value]: this.#text.value };
  }

  get #example(): Example {
    return examples[this.#kind.value as Kind];
  }

  #fill(): void {
    if (this.#untouched) this.#text.value = this.#example.text;
  }
}
