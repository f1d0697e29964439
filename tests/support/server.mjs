import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import http from "node:http";
import { extname, join, normalize, sep } from "node:path";
import { faults, Hub } from "./faults.mjs";
import { folders } from "./paths.mjs";

const types = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".mjs": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".json": "application/json",
  ".svg": "image/svg+xml",
  ".wasm": "application/wasm",
};

const everything = [
  ["/models/", folders.models],
  ["/peers/", folders.peers],
  ["/pkg/", folders.packageRoot],
  ["/pages/", folders.testPages],
  ["/pictures/", folders.pictures],
  ["/hypernetwork/", folders.hypernetworks],
  ["/bench/", folders.benchPages],
  ["/node_modules/", folders.nodeModules],
  ["/", folders.page],
];

/**
 * A local server with the built page at /, the models under /models/, the package under /pkg/, and
 * misbehaving files under /fault/ and /hub/ (see faults.mjs). It sends no COOP or COEP unless `isolated`.
 * Other `mounts` are served in their place: pairs of a path's beginning and a folder or a file.
 */
export async function startServer({ isolated = false, mounts = everything, headers = {} } = {}) {
  const seen = [];
  const failed = [];
  const hub = new Hub();
  const server = http.createServer((request, response) => {
    const { pathname } = new URL(request.url, "http://localhost");
    seen.push(pathname);
    for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
    response.on("finish", () => {
      if (response.statusCode >= 400) failed.push(`${response.statusCode} ${pathname}`);
    });
    if (isolated) {
      response.setHeader("cross-origin-opener-policy", "same-origin");
      response.setHeader("cross-origin-embedder-policy", "require-corp");
    }
    const answered = pathname.startsWith("/hub/")
      ? hub.answer(pathname, request, response)
      : answer(pathname, request, response, mounts);
    answered.catch((error) => {
      if (!response.headersSent) response.writeHead(500);
      response.end(String(error));
    });
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://localhost:${server.address().port}`,
    hub,
    /** How often a path was asked for. */
    hits: (pathname) => seen.filter((path) => path === pathname).length,
    /** What was asked for, in order. */
    seen,
    /** What was refused: status and path. */
    failed,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function answer(pathname, request, response, mounts) {
  const fault = /^\/fault\/([a-z-]+)\//.exec(pathname);
  if (fault) {
    const play = faults[fault[1]];
    if (!play) throw new Error(`there is no fault ${fault[1]}`);
    return play(response);
  }
  const path = await locate(decodeURIComponent(pathname), mounts);
  if (!path) {
    response.writeHead(404, { "content-type": "text/plain" });
    return response.end("not found\n");
  }
  const { size, mtimeMs } = await stat(path);
  response.setHeader("content-type", types[extname(path)] ?? "application/octet-stream");
  response.setHeader("accept-ranges", "bytes");
  response.setHeader("etag", `"${size}-${Math.round(mtimeMs)}"`);
  // The package's own cache is what is tested, not the browser's.
  response.setHeader("cache-control", "no-store");
  const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? "");
  const start = range ? Number(range[1]) : 0;
  const end = Math.min(range?.[2] ? Number(range[2]) : size - 1, size - 1);
  if (range) response.setHeader("content-range", `bytes ${start}-${end}/${size}`);
  response.writeHead(range ? 206 : 200, { "content-length": Math.max(0, end - start + 1) });
  if (request.method === "HEAD" || size === 0) return response.end();
  createReadStream(path, { start, end }).pipe(response);
}

async function locate(pathname, mounts) {
  const [prefix, folder] = mounts.find(([prefix]) => pathname.startsWith(prefix)) ?? [];
  if (prefix === undefined) return undefined;
  const path = normalize(join(folder, pathname.slice(prefix.length)));
  if (!`${path}${sep}`.startsWith(normalize(folder + sep))) return undefined;
  for (const candidate of [path, join(path, "index.html")]) {
    const found = await stat(candidate).catch(() => undefined);
    if (found?.isFile()) return candidate;
  }
  return undefined;
}
