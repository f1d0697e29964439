/** The page's service worker: a second visit without a network, and threads without headers from the host. */

/** Set while a reload is under way, so that one that does not help is not made again. */
const RELOADED = "lexigraft.isolating";
/** A slow installation must not keep the page from starting. */
const PATIENCE_MS = 5000;

/**
 * Installs the service worker, and reloads the page once where that makes it cross-origin isolated, which gives the
 * CPU engine its threads; `?coi=0` in the address leaves that out. Resolves when the page may start, after a few
 * seconds at most; never when the page is about to be reloaded. It does not reject.
 */
export async function installServiceWorker(): Promise<void> {
  const { serviceWorker } = navigator;
  // Missing in pages without https, and in some private windows.
  if (!import.meta.env.PROD || serviceWorker === undefined) return;
  try {
    const address = new URL("service-worker.js", document.baseURI);
    const registered: ServiceWorkerRegistration | undefined = await serviceWorker.register(address);
    // What is fetched from here on goes through the worker, which keeps it.
    if (registered === undefined || !(await inTime(controlled(serviceWorker, registered)))) return;
    if (reloadToIsolate()) await new Promise(() => undefined);
  } catch {
    // Storage is forbidden or full: the page works as it would without.
  }
}

/** Resolves once the page is in the worker's hands; to false when the worker could not be installed. */
function controlled(
  container: ServiceWorkerContainer,
  { installing, waiting, active }: ServiceWorkerRegistration,
): Promise<boolean> {
  return new Promise((resolve) => {
    if (container.controller !== null) return resolve(true);
    container.addEventListener("controllerchange", () => resolve(true), { once: true });
    const worker = installing ?? waiting ?? active;
    worker?.addEventListener("statechange", () => {
      if (worker.state === "redundant") resolve(false);
    });
    // A reload past the worker leaves the page without one until the next visit.
    if (worker?.state === "activated") resolve(true);
  });
}

function inTime(done: Promise<boolean>): Promise<boolean> {
  const late = new Promise<boolean>((resolve) => setTimeout(() => resolve(false), PATIENCE_MS));
  return Promise.race([done, late]);
}

/** True when the page is being reloaded. */
function reloadToIsolate(): boolean {
  if (self.crossOriginIsolated) {
    sessionStorage.removeItem(RELOADED);
    return false;
  }
  const unwanted = new URLSearchParams(location.search).get("coi") === "0";
  // In a frame the outer page decides.
  if (unwanted || self.top !== self || sessionStorage.getItem(RELOADED) !== null) return false;
  sessionStorage.setItem(RELOADED, "1");
  location.reload();
  return true;
}
