/** One observable value: what the panels of the page share. */
export class Cell<T> {
  #value: T;
  readonly #listeners = new Set<(value: T) => void>();

  constructor(value: T) {
    this.#value = value;
  }

  get value(): T {
    return this.#value;
  }

  set(value: T): void {
    this.#value = value;
    for (const listener of [...this.#listeners]) listener(value);
  }

  /** Calls the listener now and after each change. */
  watch(listener: (value: T) => void): void {
    this.#listeners.add(listener);
    listener(this.#value);
  }
}

/** Calls the listener now and whenever one of the cells changes. */
export function watchAll(cells: { watch(listener: () => void): void }[], listener: () => void): void {
  let quiet = true;
  for (const cell of cells) {
    cell.watch(() => {
      if (!quiet) listener();
    });
  }
  quiet = false;
  listener();
}
