import { announce } from "../announce.ts";
import type { App } from "../app.ts";
import { el, fill, uniqueId } from "../dom.ts";
import { bytes } from "../format.ts";
import { Album, nearest, type Picture } from "../see/album.ts";
import { Camera } from "../see/camera.ts";
import { Controls } from "../see/controls.ts";
import { drawThumbnail } from "../see/overlay.ts";
import { Results } from "../see/results.ts";
import { keyOf, Sight } from "../see/sight.ts";
import type { Tab } from "./tab.ts";

/** Looks at pictures with a vision transformer, and shows which patches it could do without. */
export const see: Tab = { id: "see", label: "See", mount };

/** Served with the page; THIRD_PARTY.md says whose they are. */
const samples = ["coffee", "chelsea", "astronaut", "rocket", "hubble", "horse"];

function mount(panel: HTMLElement, app: App): void {
  const { session } = app;
  const album = new Album();
  const sight = new Sight(session);
  const results = new Results(() => void time());
  const controls = new Controls(() => void look());

  const input = el("input", {
    type: "file",
    class: "visually-hidden",
    accept: "image/*",
    multiple: true,
    "aria-label": "Pictures",
    testid: "see-files",
    on: {
      change: () => {
        void add([...(input.files ?? [])]);
        input.value = "";
      },
    },
  });
  const camera = new Camera(
    (bitmap) => choose(album.add(`Camera ${album.pictures.value.length + 1}`, bitmap, bitmap)),
    (message) => {
      note.textContent = `The camera cannot be used: ${message}`;
    },
  );
  const note = el("span", { class: "note", testid: "see-note" });
  const stop = el(
    "button",
    { type: "button", testid: "see-stop", "aria-keyshortcuts": "Escape", on: { click: () => sight.stop() } },
    "Stop",
  );

  const strip = el("ul", { class: "see-strip", "aria-label": "Pictures", testid: "see-strip" });
  const near = el("section", { class: "see-near", hidden: true, testid: "see-near" });

  const barId = uniqueId("see-progress");
  const bar = el("progress", { id: barId, max: 1, testid: "see-progress" });
  const phase = el("label", { for: barId, testid: "see-phase" });
  const progress = el("div", { class: "progress", hidden: true }, phase, bar);

  sight.model.watch((model) => {
    if (model) controls.offer(model.info.methods);
  });
  sight.work.watch((work) => {
    progress.hidden = work === null;
    // A disabled control drops the focus.
    if (work === null && document.activeElement === stop) panel.focus({ preventScroll: true });
    stop.disabled = work === null;
    panel.dataset.work = work?.kind ?? "none";
    if (work === null) return;
    if (work.kind === "seeing") {
      phase.textContent = "Seeing";
      bar.value = work.done / work.total;
      return;
    }
    const { progress: loading } = work;
    phase.textContent = loading
      ? `The vision model, ${bytes(loading.loaded)}${loading.total ? ` of ${bytes(loading.total)}` : ""}`
      : "The vision model";
    if (loading?.total) bar.value = loading.loaded / loading.total;
    else bar.removeAttribute("value");
  });

  async function add(files: readonly Blob[]): Promise<void> {
    let last: Picture | undefined;
    for (const file of files) {
      const name = file instanceof File ? file.name : "Picture";
      try {
        last = album.add(name, file, await createImageBitmap(file));
      } catch {
        // The engine tells better than the browser what is wrong with it.
        const model = sight.model.value;
        const failed = model?.see(file).then(
          () => undefined,
          (error) => session.report(error),
        );
        if (model) await failed;
        else note.textContent = `${name} is no picture that this browser can read.`;
      }
    }
    if (last) choose(last);
  }

  function choose(picture: Picture): void {
    album.chosen.set(picture);
    void look();
  }

  async function look(): Promise<void> {
    const picture = album.chosen.value;
    if (!picture) return;
    const { options, reduce } = controls;
    const looked = await sight.look(picture, options, reduce);
    // Another one may have been chosen meanwhile; what was stopped leaves the last result.
    if (!looked || album.chosen.value !== picture) return;
    results.show(looked);
    panel.dataset.seen = `${picture.name} ${reduce ?? "none"} ${options.size}`;
    showNear(picture, keyOf(options));
    const { backboneMs } = looked.reduced ?? looked.dense;
    announce(`${picture.name} was seen in ${Math.round(backboneMs)} milliseconds.`);
  }

  async function time(): Promise<void> {
    const picture = album.chosen.value;
    const { options, reduce } = controls;
    if (!picture || reduce === undefined) return;
    const timed = await sight.time(picture, options, reduce);
    // What is shown may have changed meanwhile.
    if (!timed || album.chosen.value !== picture || controls.reduce !== reduce) return;
    results.timed(timed);
    panel.dataset.timed = String(timed.rounds);
    announce(`Timed: ${(timed.dense.blocks / timed.reduced.blocks).toFixed(2)} times as fast.`);
  }

  function showNear(picture: Picture, key: string): void {
    const others = nearest(picture, album.pictures.value, key).slice(0, 5);
    near.hidden = others.length === 0;
    fill(
      near,
      el("h3", { class: "label" }, `Nearest to ${picture.name}, of the pictures seen at this size`),
      el(
        "ol",
        { class: "see-near-list" },
        ...others.map(({ picture: other, cosine }) =>
          el("li", {}, el("span", {}, other.name), el("span", { class: "numeric" }, cosine.toFixed(3))),
        ),
      ),
    );
  }

  const thumbnail = (bitmap: ImageBitmap) => {
    const canvas = el("canvas", { class: "see-thumb", "aria-hidden": "true" });
    drawThumbnail(canvas, bitmap);
    return canvas;
  };
  const drawStrip = () => {
    const held = document.activeElement?.closest<HTMLElement>("[data-picture]")?.dataset.picture;
    fill(
      strip,
      ...album.pictures.value.map((picture, index) =>
        el(
          "li",
          {},
          el(
            "button",
            {
              type: "button",
              class: "see-pick",
              "aria-pressed": String(album.chosen.value === picture),
              "data-picture": index,
              testid: "see-pick",
              on: {
                click: () => choose(picture),
                keydown: (event) => {
                  if (event.key !== "Delete") return;
                  album.remove(picture);
                  void look();
                },
              },
            },
            thumbnail(picture.bitmap),
            el("span", { class: "see-name" }, picture.name),
          ),
        ),
      ),
    );
    strip.hidden = album.pictures.value.length === 0;
    strip.querySelector<HTMLElement>(`[data-picture="${held}"]`)?.focus({ preventScroll: true });
  };
  album.pictures.watch(drawStrip);
  album.chosen.watch(drawStrip);

  const sampleButtons = samples.map((name) =>
    el(
      "button",
      {
        type: "button",
        class: "quiet",
        testid: `see-sample-${name}`,
        on: { click: () => void addSample(name) },
      },
      name,
    ),
  );
  async function addSample(name: string): Promise<void> {
    const there = album.pictures.value.find((picture) => picture.name === name);
    if (there) return choose(there);
    try {
      const response = await fetch(new URL(`samples/${name}.jpg`, document.baseURI));
      const blob = await response.blob();
      choose(album.add(name, blob, await createImageBitmap(blob)));
    } catch {
      note.textContent = `The sample ${name} could not be fetched.`;
    }
  }

  app.pictures.watch((files) => {
    const weights = files.find((file) => file.name.endsWith(".onnx"));
    if (weights) void sight.use(weights).then(() => look());
    void add(files.filter((file) => file !== weights));
  });
  document.addEventListener("paste", (event) => {
    if (panel.hidden) return;
    const files = [...(event.clipboardData?.files ?? [])];
    if (files.length > 0) void add(files);
  });
  document.addEventListener("keydown", (event) => {
    if (!panel.hidden && event.key === "Escape") {
      sight.stop();
      camera.close();
    }
  });

  panel.classList.add("see");
  panel.append(
    el(
      "section",
      { class: "sheet", "aria-labelledby": "see-heading" },
      el("h2", { id: "see-heading" }, "What does it need to see?"),
      el(
        "p",
        { class: "bench-lead" },
        "A vision transformer cuts a picture into patches and turns it into one vector. Many patches say the " +
          "same: drop or merge them on the way, and see what that saves and what it costs.",
      ),
      el(
        "div",
        { class: "toolbar" },
        el("label", { class: "button" }, "Choose pictures…", input),
        camera.open,
        stop,
        note,
      ),
      el("p", { class: "note see-samples" }, "Drop or paste pictures, or take a sample:", ...sampleButtons),
      camera.element,
      strip,
      controls.element,
      progress,
      results.element,
      near,
    ),
  );
}
