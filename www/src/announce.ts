import { byId } from "./dom.ts";

let pending: ReturnType<typeof setTimeout> | undefined;

/**
 * Says one sentence to screen readers through the page's polite live region. The last of several
 * in quick succession wins, and the same sentence twice is spoken twice.
 */
export function announce(sentence: string): void {
  const region = byId("status");
  region.textContent = "";
  clearTimeout(pending);
  pending = setTimeout(() => {
    region.textContent = sentence;
  }, 60);
}
