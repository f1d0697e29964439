/** What `el` takes as a child; false, null and undefined are left out. */
export type Child = Node | string | number | false | null | undefined;

type Listener<K extends keyof HTMLElementEventMap> = (event: HTMLElementEventMap[K]) => void;

export interface Props {
  class?: string | undefined;
  /** The stable name browser tests use. */
  testid?: string | undefined;
  on?: { [K in keyof HTMLElementEventMap]?: Listener<K> };
  [attribute: string]: unknown;
}

/**
 * Makes an element. Children that are strings become text nodes, so nothing that a file or a model
 * says is ever parsed as HTML.
 */
export function el<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  props: Props = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false || name === "on") continue;
    const attribute = name === "testid" ? "data-testid" : name;
    element.setAttribute(attribute, value === true ? "" : String(value));
  }
  for (const [type, listener] of Object.entries(props.on ?? {})) {
    element.addEventListener(type, listener as EventListener);
  }
  element.append(...nodes(children));
  return element;
}

/** Replaces all children. */
export function fill(parent: Element, ...children: Child[]): void {
  parent.replaceChildren(...nodes(children));
}

function nodes(children: Child[]): (Node | string)[] {
  return children
    .filter((child) => child !== false && child !== null && child !== undefined)
    .map((child) => (typeof child === "number" ? String(child) : child));
}

let lastId = 0;

/** An id for `for`, `aria-labelledby` and `aria-describedby`, unique in the page. */
export function uniqueId(stem: string): string {
  lastId += 1;
  return `${stem}-${lastId}`;
}

/** The element that index.html promises under this id. */
export function byId(id: string): HTMLElement {
  const element = document.getElementById(id);
  if (!element) throw new Error(`index.html has no element with the id ${id}`);
  return element;
}
