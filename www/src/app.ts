import { Cell } from "./cell.ts";
import type { Session } from "./session.ts";
import { type Settings, writeSettings } from "./settings.ts";

/** What the shell hands to each panel and tab. */
export interface App {
  readonly session: Session;
  /** Change it, then call `save`. */
  readonly settings: Settings;
  save(): void;
  /** Pictures and vision models that were dropped on the page. */
  readonly pictures: Cell<readonly File[]>;
  /** The last tokenizer that was dropped on the page. */
  readonly tokenizers: Cell<File | null>;
}

export function createApp(session: Session, settings: Settings): App {
  return {
    session,
    settings,
    save: () => writeSettings(settings),
    pictures: new Cell<readonly File[]>([]),
    tokenizers: new Cell<File | null>(null),
  };
}
