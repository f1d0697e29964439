/** Distance from the end, in pixels, within which a reader counts as following the text. */
const NEAR = 48;

/**
 * Keeps a scrolling element at its end while its text grows, unless the person has scrolled up.
 * Checked once a frame: measuring after each token would force a layout each time.
 */
export function followEnd(element: HTMLElement): void {
  let following = true;
  let queued = false;
  element.addEventListener("scroll", () => {
    following = element.scrollHeight - element.scrollTop - element.clientHeight < NEAR;
  });
  new MutationObserver(() => {
    if (queued) return;
    queued = true;
    requestAnimationFrame(() => {
      queued = false;
      if (following) element.scrollTop = element.scrollHeight;
    });
  }).observe(element, { childList: true, characterData: true, subtree: true });
}
