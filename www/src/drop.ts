import { el } from "./dom.ts";

/** Takes files dropped anywhere on the page; a veil says so while they hover. */
export function mountDrop(take: (files: File[]) => void): void {
  const veil = el(
    "div",
    { class: "drop-veil", hidden: true, "aria-hidden": "true", testid: "drop-veil" },
    el("p", {}, "Drop a model file to load it, a tokenizer.json to graft it, or pictures to see them"),
  );
  document.body.append(veil);

  // dragenter and dragleave fire for each element on the way: count them.
  let depth = 0;
  const carriesFiles = (event: DragEvent) => event.dataTransfer?.types.includes("Files") ?? false;
  const end = () => {
    depth = 0;
    veil.hidden = true;
  };
  addEventListener("dragenter", (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    depth += 1;
    veil.hidden = false;
  });
  addEventListener("dragover", (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    if (event.dataTransfer) event.dataTransfer.dropEffect = "copy";
  });
  addEventListener("dragleave", (event) => {
    if (!carriesFiles(event)) return;
    depth -= 1;
    if (depth <= 0) end();
  });
  addEventListener("drop", (event) => {
    if (!carriesFiles(event)) return;
    // Otherwise the browser leaves the page to show the file.
    event.preventDefault();
    end();
    const files = [...(event.dataTransfer?.files ?? [])];
    if (files.length > 0) take(files);
  });
}
