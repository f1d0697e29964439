import { LexigraftError } from "lexigraft";
import type { App } from "../app.ts";
import { el, uniqueId } from "../dom.ts";
import { besideOf, defaultModel, isHubFile, type ModelFiles, nameOf, sortFiles } from "../models.ts";
import type { ModelSource } from "../session.ts";
import { inRange, ranges, type SourceKind } from "../settings.ts";
import { cachePanel } from "./cache.ts";
import { devicePanel } from "./device.ts";
import { modelInfo } from "./model-info.ts";
import { progressPanel } from "./progress.ts";

/**
 * The model column: where the model comes from, loading it, what it is, the device, and the cache.
 * `take` accepts files that were dropped on the page.
 */
export function mountModelPanel(host: HTMLElement, app: App): { take(files: File[]): void } {
  const { session, settings, save } = app;
  const name = uniqueId("source");
  let files: ModelFiles = {};

  const radio = (kind: SourceKind) =>
    el("input", { type: "radio", name, value: kind, testid: `source-${kind}` });
  const radios: Record<SourceKind, HTMLInputElement> = {
    default: radio("default"),
    url: radio("url"),
    file: radio("file"),
  };
  const choose = (kind: SourceKind) => {
    radios[kind].checked = true;
    settings.source = kind;
    save();
  };
  for (const kind of ["default", "url", "file"] as const) {
    radios[kind].addEventListener("change", () => choose(kind));
  }
  radios[settings.source].checked = true;

  const url = el("input", {
    // Not type=url: an address relative to the page is welcome.
    type: "text",
    inputmode: "url",
    required: true,
    class: "wide",
    testid: "model-url",
    placeholder: "https://… or hf:owner/repo/file",
    "aria-label": "Web address of a model file, or hf:owner/repo/file on the Hugging Face hub",
    autocomplete: "off",
    autocapitalize: "off",
    spellcheck: "false",
  });
  url.value = settings.url;
  url.addEventListener("input", () => {
    settings.url = url.value.trim();
    choose("url");
  });
  url.addEventListener("keydown", (event) => {
    if (event.key === "Enter") void load();
  });

  const fileInput = (testid: string, accept: string, label: string, multiple: boolean) =>
    el("input", { type: "file", class: "visually-hidden", testid, accept, multiple, "aria-label": label });
  const weightsInput = fileInput(
    "file-input",
    ".gguf,.safetensors,.json",
    "Model file; pick tokenizer.json and config.json with it for safetensors",
    true,
  );
  const weightsName = el("span", { class: "file-name muted", testid: "file-name" }, "or drop it anywhere");
  weightsInput.addEventListener("change", () => {
    take([...(weightsInput.files ?? [])]);
    // So that picking the same file again, after it changed on disk, is a change too.
    weightsInput.value = "";
  });

  const sideInput = (key: "tokenizer" | "config") => {
    const input = fileInput(`${key}-input`, ".json", `${key}.json`, false);
    const chosen = el("span", { class: "file-name muted", testid: `${key}-name` }, "none");
    input.addEventListener("change", () => {
      const file = input.files?.[0];
      if (file) files[key] = file;
      else delete files[key];
      showFiles();
    });
    return { chosen, row: filePicker(`${key}.json`, input, chosen) };
  };
  const tokenizer = sideInput("tokenizer");
  const config = sideInput("config");

  const contextLength = el("input", {
    type: "number",
    id: uniqueId("context"),
    testid: "context-length",
    min: ranges.contextLength.min,
    max: ranges.contextLength.max,
    placeholder: "auto",
  });
  contextLength.value = settings.contextLength === null ? "" : String(settings.contextLength);
  contextLength.addEventListener("change", () => {
    const value = contextLength.value === "" ? null : Number(contextLength.value);
    settings.contextLength = value !== null && inRange(value, ranges.contextLength) ? value : null;
    contextLength.value = settings.contextLength === null ? "" : String(settings.contextLength);
    save();
  });

  const showFiles = () => {
    weightsName.textContent = files.weights?.name ?? "or drop it anywhere";
    tokenizer.chosen.textContent = files.tokenizer?.name ?? "none";
    config.chosen.textContent = files.config?.name ?? "none";
  };

  const source = (): ModelSource | undefined => {
    const { source: kind } = settings;
    const shared = {
      tokenizer: files.tokenizer,
      config: files.config,
      contextLength: settings.contextLength ?? undefined,
    };
    if (kind === "default") {
      const address = new URL(defaultModel.path, document.baseURI).href;
      return {
        label: defaultModel.name,
        weights: address,
        contextLength: shared.contextLength,
        ifMissing: defaultModel.ifMissing,
      };
    }
    if (kind === "file") {
      if (!files.weights) return undefined;
      return { ...shared, label: files.weights.name, weights: files.weights };
    }
    if (settings.url === "") return undefined;
    if (!URL.canParse(settings.url, document.baseURI)) {
      session.report(new LexigraftError("not-found", `This is not a web address: ${settings.url}`));
      return undefined;
    }
    if (/^hf:/i.test(settings.url) && !isHubFile(settings.url)) {
      session.report(
        new LexigraftError("not-found", `Files on the hub are hf:owner/repo/file, not ${settings.url}`),
      );
      return undefined;
    }
    const address = new URL(settings.url, document.baseURI).href;
    // A safetensors file's companions lie beside it in every model repository.
    const beside = (file: string) =>
      /\.safetensors$/.test(address.replace(/[?#].*/, "")) ? besideOf(address, file) : undefined;
    return {
      ...shared,
      label: nameOf(address),
      weights: address,
      tokenizer: shared.tokenizer ?? beside("tokenizer.json"),
      config: shared.config ?? beside("config.json"),
    };
  };

  const loadButton = el("button", { type: "button", class: "primary wide", testid: "load" }, "Load model");
  loadButton.addEventListener("click", () => void load());
  async function load(): Promise<void> {
    const chosen = source();
    if (chosen) await session.load(chosen);
    else if (settings.source === "file") weightsInput.click();
    else {
      url.focus();
      // Says so when the field is empty.
      url.reportValidity();
    }
  }
  session.model.watch((model) => {
    loadButton.textContent = model ? "Load and replace" : "Load model";
  });

  /** Weights are loaded at once; tokenizer and config alone wait for the next load. */
  function take(picked: File[]): void {
    const sorted = sortFiles(picked);
    // New weights bring their own companions; the old model's would not fit.
    files = sorted.weights ? sorted : { ...files, ...sorted };
    showFiles();
    if (!sorted.weights) return;
    choose("file");
    void load();
  }

  host.append(
    el("h2", { id: "model-heading" }, "Model"),
    el(
      "fieldset",
      { class: "sources" },
      el("legend", { class: "visually-hidden" }, "Where the model comes from"),
      el(
        "label",
        { class: "source" },
        radios.default,
        el("span", {}, defaultModel.name, el("span", { class: "block muted" }, defaultModel.detail)),
      ),
      el("label", { class: "source" }, radios.url, "Web address"),
      el("div", { class: "source-body" }, url),
      el("label", { class: "source" }, radios.file, "File on this device"),
      el("div", { class: "source-body" }, filePicker("Choose…", weightsInput, weightsName)),
    ),
    el(
      "details",
      { class: "fold", testid: "load-options" },
      el("summary", {}, "Tokenizer and config"),
      el(
        "p",
        { class: "note" },
        "GGUF files carry both. For safetensors, add the two files of the same model.",
      ),
      tokenizer.row,
      config.row,
      el(
        "div",
        { class: "row" },
        el("label", { for: contextLength.id, class: "label" }, "Context length"),
        contextLength,
      ),
      el("p", { class: "note" }, "Tokens of prompt and answer together. Less saves memory."),
    ),
    loadButton,
    progressPanel(session, loadButton),
    modelInfo(session),
    devicePanel(app),
    cachePanel(session),
  );
  return { take };
}

/** A file input that looks like the page's other buttons. */
function filePicker(label: string, input: HTMLInputElement, chosen: HTMLElement): HTMLElement {
  return el("div", { class: "file" }, el("label", { class: "button" }, label, input), chosen);
}
