/**
 * The page's service worker. It keeps the page's own files, so that a second visit needs no network, and adds the
 * headers that make the page cross-origin isolated where the host cannot send them. Models are no business of its:
 * the package keeps them in the origin's private file system.
 *
 * Requests that it does not know are left alone, as are those of other origins.
 */

/** Addresses relative to this script, put in by vite/service-worker.ts. */
declare const __FILES__: {
  /** Everything that the page needs before an engine starts: fetched when the worker is installed. */
  shell: string[];
  /** The other files of the build: kept when they are first used. */
  others: string[];
};

const worker = self as unknown as ServiceWorkerGlobalScope;
const CACHE = `lexigraft-page ${worker.registration.scope}`;
/** The network is given this long to answer for the page itself before the kept copy is taken. */
const PATIENCE_MS = 4000;

const at = (path: string) => new URL(path, worker.registration.scope).href;
const page = at("./");
const files = new Set([...__FILES__.shell, ...__FILES__.others].map(at));
/** Kept by the package. */
const model = /\.(safetensors|gguf|onnx)$/;
/** Their names change with their content. */
const hashed = new RegExp(`^${page.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")}assets/`);

worker.addEventListener("install", (event) => event.waitUntil(install()));
worker.addEventListener("activate", (event) => event.waitUntil(activate()));
worker.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  const isPage = request.mode === "navigate" && [page, at("index.html")].includes(url.origin + url.pathname);
  const address = isPage ? page : url.origin + url.pathname;
  // A page that is newer than this worker has other files, whose workers need the headers as well.
  const known = isPage || files.has(address) || (hashed.test(address) && !model.test(address));
  if (request.method !== "GET" || request.headers.has("range") || !known) return;
  const plain = isPage && url.searchParams.get("coi") === "0";
  const answer = hashed.test(address) ? fromCacheFirst(address, request) : fromNetworkFirst(address, request);
  event.respondWith(answer.then((response) => (plain ? response : isolating(response))));
});

async function install(): Promise<void> {
  const cache = await caches.open(CACHE);
  const requests = [page, ...__FILES__.shell.map(at)].map(
    // What has no hash in its name may be an older version in the browser's own cache.
    (url) => new Request(url, { cache: hashed.test(url) ? "default" : "reload" }),
  );
  await cache.addAll(requests);
}

/** Takes over pages that are open, and removes what only an older version of the page used. */
async function activate(): Promise<void> {
  const cache = await caches.open(CACHE);
  for (const { url } of await cache.keys()) {
    if (url !== page && !files.has(url)) await cache.delete(url);
  }
  await worker.clients.claim();
}

async function fromCacheFirst(address: string, request: Request): Promise<Response> {
  const cache = await caches.open(CACHE);
  const kept = await cache.match(address, { ignoreVary: true });
  return kept ?? fetchAndKeep(cache, address, request);
}

async function fromNetworkFirst(address: string, request: Request): Promise<Response> {
  const cache = await caches.open(CACHE);
  const kept = await cache.match(address, { ignoreVary: true });
  if (kept === undefined) return fetchAndKeep(cache, address, request);
  const late = new Promise<Response>((resolve) => setTimeout(() => resolve(kept), PATIENCE_MS));
  const fresh = fetchAndKeep(cache, address, request);
  // When the kept copy wins, nobody else hears that the network failed.
  return Promise.race([fresh.then((response) => (response.status >= 500 ? kept : response)), late]).catch(
    () => kept,
  );
}

async function fetchAndKeep(cache: Cache, address: string, request: Request): Promise<Response> {
  // Hosts let caches keep even the page itself for a while; what has no hash in its name is asked for each time.
  const response = await (hashed.test(address) ? fetch(request) : fetch(request, { cache: "no-cache" }));
  // A redirect, an error page, or a part are passed on and not kept.
  if (response.status === 200 && response.type === "basic" && !response.redirected) {
    // Not awaited, so that large files stream; a full storage is no reason to fail.
    cache.put(address, response.clone()).catch(() => undefined);
  }
  return response;
}

/** The response with the headers of an isolated page, where the host did not send them. */
function isolating(response: Response): Response {
  if (response.type === "opaqueredirect" || response.status === 0) return response;
  const headers = new Headers(response.headers);
  if (!headers.has("cross-origin-opener-policy")) headers.set("cross-origin-opener-policy", "same-origin");
  if (!headers.has("cross-origin-embedder-policy")) {
    headers.set("cross-origin-embedder-policy", "require-corp");
  }
  const { status, statusText } = response;
  const bodyless = status === 204 || status === 304;
  return new Response(bodyless ? null : response.body, { status, statusText, headers });
}
