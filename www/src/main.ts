import { createApp } from "./app.ts";
import { byId } from "./dom.ts";
import { mountDrop } from "./drop.ts";
import { isTokenizerAlone } from "./graft/tokenizers.ts";
import { installServiceWorker } from "./offline.ts";
import { mountErrors } from "./panels/error.ts";
import { mountModelPanel } from "./panels/model.ts";
import { Session } from "./session.ts";
import { readSettings } from "./settings.ts";
import { mountTabs } from "./tab-bar.ts";
import { themeToggle } from "./theme.ts";

const settings = readSettings();
const session = new Session(settings.device, installServiceWorker());
const app = createApp(session, settings);

byId("top-end").append(themeToggle());
mountErrors(byId("errors"), session);
const modelPanel = mountModelPanel(byId("model"), app);
mountTabs(byId("tab-list"), byId("tab-panel"), app);
mountDrop((files) => {
  const [first] = files;
  if (first && isTokenizerAlone(files)) {
    location.hash = "#graft";
    app.tokenizers.set(first);
    return;
  }
  const pictures = files.filter(isForSeeing);
  const others = files.filter((file) => !isForSeeing(file));
  if (pictures.length > 0) {
    // The tab is built when it is shown, and takes them then.
    location.hash = "#see";
    app.pictures.set(pictures);
  }
  if (others.length > 0) modelPanel.take(others);
});

function isForSeeing({ type, name }: File): boolean {
  return type.startsWith("image/") || name.endsWith(".onnx");
}

// The state as attributes: for style sheets, and for tests to wait on.
const state = document.body.dataset;
session.engine.watch(({ status }) => {
  state.engine = status;
});
session.model.watch((model) => {
  state.model = model ? "ready" : "none";
});
session.loading.watch((loading) => {
  state.loading = String(loading !== null);
});
session.running.watch((running) => {
  state.running = String(running);
});

void session.start();
