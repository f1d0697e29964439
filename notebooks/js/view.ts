/** What a widget looks like. Texts are only ever set as text: nothing that a model writes becomes HTML. */
import type { ErrorRecord, WidgetModel } from "./model.js";

type Show = (model: WidgetModel) => void;

function element<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  properties: Partial<HTMLElementTagNameMap[Name]> = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[Name] {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

/** A labelled field whose value is a trait. */
function field(
  model: WidgetModel,
  label: string,
  trait: string,
  control: HTMLInputElement | HTMLTextAreaElement,
) {
  control.addEventListener("change", () => {
    model.set(trait, control.value);
    model.save_changes();
  });
  const show: Show = () => {
    const value = model.get(trait);
    // Bytes that are no text can be set in Python only.
    control.disabled = typeof value !== "string" && !(value instanceof DataView && value.byteLength === 0);
    if (typeof value === "string" && control.value !== value) control.value = value;
  };
  return { node: element("label", {}, label, control), show };
}

function table(head: string[], rows: string[][]): Node[] {
  if (rows.length === 0) return [];
  const line = (cells: string[], name: "th" | "td") =>
    element("tr", {}, ...cells.map((cell) => element(name, { textContent: cell })));
  return [
    element("thead", {}, line(head, "th")),
    element("tbody", {}, ...rows.map((cells) => line(cells, "td"))),
  ];
}

const number = (value: unknown, digits: number): string =>
  typeof value === "number" ? value.toFixed(digits) : "";

function byteName(byte: number): string {
  if (byte === 256) return "end";
  if (byte > 0x20 && byte < 0x7f) return String.fromCharCode(byte);
  return byte === 0x20 ? "space" : `0x${byte.toString(16).padStart(2, "0")}`;
}

/** Floats come as bytes from this page and from Python alike. */
function floats(value: unknown): Float32Array {
  if (!(value instanceof DataView)) return new Float32Array();
  return new Float32Array(value.buffer.slice(value.byteOffset, value.byteOffset + value.byteLength));
}

interface Part {
  nodes: Node[];
  /** Traits that it shows. */
  traits: string[];
  show: Show;
}

function generatePart(model: WidgetModel): Part {
  const prompt = field(model, "Prompt", "prompt", element("textarea", { rows: 3 }));
  const written = element("pre", { className: "written" });
  const speed = element("p");
  return {
    nodes: [prompt.node, written, speed],
    traits: ["prompt", "text", "tokens_per_second"],
    show: () => {
      prompt.show(model);
      written.textContent = String(model.get("text"));
      const value = number(model.get("tokens_per_second"), 1);
      speed.textContent = value === "" ? "" : `${value} tokens per second`;
    },
  };
}

function bytesPart(model: WidgetModel): Part {
  const prefix = field(model, "What comes before", "prefix", element("input", { type: "text" }));
  const text = field(model, "Text to score", "text", element("input", { type: "text" }));
  const likely = element("table");
  const score = element("p");
  return {
    nodes: [prefix.node, text.node, likely, score],
    traits: ["prefix", "text", "log_probs", "bits_per_byte"],
    show: () => {
      prefix.show(model);
      text.show(model);
      const rows = [...floats(model.get("log_probs"))]
        .map((value, byte): [number, number] => [byte, value])
        .sort(([, a], [, b]) => b - a)
        .slice(0, 8)
        .map(([byte, value]) => [byteName(byte), `${(100 * Math.exp(value)).toFixed(2)} %`]);
      likely.replaceChildren(...table(["Next byte", "Probability"], rows));
      const bits = number(model.get("bits_per_byte"), 3);
      score.textContent = bits === "" ? "" : `${bits} bits per byte`;
    },
  };
}

function graftPart(model: WidgetModel): Part {
  const text = field(model, "Text to score", "text", element("textarea", { rows: 3 }));
  const counts = element("p");
  const costs = element("table");
  return {
    nodes: [text.node, counts, costs],
    traits: ["text", "report", "bits_before", "bits_after"],
    show: () => {
      text.show(model);
      const report = model.get("report") as Record<string, unknown>;
      counts.textContent =
        report.tokens === undefined
          ? ""
          : `${report.tokens} tokens by ${report.method}: ${report.shared} kept, ${report.made} made`;
      const row = (name: string, end: string) => [
        name,
        number(model.get(`bits_${end}`), 3),
        number(model.get(`tokens_${end}`), 0),
      ];
      const rows = [row("before", "before"), row("after", "after")].filter(([, bits]) => bits !== "");
      costs.replaceChildren(...table(["", "Bits per byte", "Tokens"], rows));
    },
  };
}

function seePart(model: WidgetModel): Part {
  const canvas = element("canvas", { hidden: true });
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", "Heat map: light where one would look");
  const told = element("p");
  return {
    nodes: [canvas, told],
    traits: ["heat", "milliseconds"],
    show: () => {
      const heat = floats(model.get("heat"));
      const [rows = 0, columns = 0] = model.get("heat_shape") as number[];
      canvas.hidden = heat.length === 0 || heat.length !== rows * columns;
      if (!canvas.hidden) {
        const pixels = new Uint8ClampedArray(heat.length * 4);
        heat.forEach((value, index) => {
          pixels.set([255 * value, 200 * value, 120 * value, 255], 4 * index);
        });
        canvas.width = columns;
        canvas.height = rows;
        canvas.getContext("2d")?.putImageData(new ImageData(pixels, columns, rows), 0, 0);
      }
      const time = number(model.get("milliseconds"), 0);
      told.textContent = time === "" ? "" : `Seen in ${time} ms`;
    },
  };
}

const parts: Record<string, (model: WidgetModel) => Part> = {
  generate: generatePart,
  bytes: bytesPart,
  graft: graftPart,
  see: seePart,
};

function statusText(model: WidgetModel): string {
  const status = String(model.get("status"));
  const { phase, loaded, total } = model.get("progress") as {
    phase?: string;
    loaded?: number;
    total?: number;
  };
  if (phase === undefined || loaded === undefined) return status;
  return total ? `${status}, ${phase} ${Math.floor((100 * loaded) / total)} %` : `${status}, ${phase}`;
}

/** Shows a widget; returns what to call when it is shown no more. */
export function render(model: WidgetModel, el: HTMLElement): () => void {
  const part = parts[String(model.get("_job"))]?.(model);
  if (part === undefined) return () => undefined;
  const run = element("button", { type: "button", textContent: "Run" });
  const stop = element("button", { type: "button", textContent: "Stop" });
  const status = element("span", { role: "status" });
  const failure = element("p", { className: "failure", role: "alert" });
  run.addEventListener("click", () => {
    const last = Math.max(model.get("_request") as number, model.get("_finished") as number);
    model.set("_request", last + 1);
    model.save_changes();
  });
  stop.addEventListener("click", () => {
    model.set("_stop", model.get("_request"));
    model.save_changes();
  });
  const show = (): void => {
    part.show(model);
    const busy = ["waiting", "loading", "running"].includes(String(model.get("status")));
    run.disabled = busy;
    stop.disabled = !busy;
    status.textContent = statusText(model);
    const error = model.get("error") as ErrorRecord | null;
    failure.textContent = error === null ? "" : `${error.code}: ${error.message} ${error.hint ?? ""}`.trim();
  };
  const events = ["status", "progress", "error", ...part.traits].map((trait) => `change:${trait}`);
  for (const event of events) model.on(event, show);
  const buttons = element("div", { className: "buttons" }, run, stop, status);
  el.append(
    element(
      "div",
      { className: "lexigraft" },
      ...part.nodes.slice(0, 1),
      buttons,
      ...part.nodes.slice(1),
      failure,
    ),
  );
  show();
  return () => {
    for (const event of events) model.off(event, show);
  };
}
