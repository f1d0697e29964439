import type { App } from "../app.ts";

/** One tool of the page: a file in this folder, registered in index.ts. */
export interface Tab {
  /** Also the fragment of the page's address. */
  readonly id: string;
  readonly label: string;
  /** Builds the tab into its panel, once, when it is first shown. */
  mount(panel: HTMLElement, app: App): void;
}
