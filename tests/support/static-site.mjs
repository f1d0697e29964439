import { createReadStream } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import http from "node:http";
import { extname, join, normalize, sep } from "node:path";
import { folders } from "./paths.mjs";

/** The types that any static host knows. */
const types = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".css": "text/css",
  ".json": "application/json",
  ".svg": "image/svg+xml",
  ".jpg": "image/jpeg",
  ".wasm": "application/wasm",
};

/**
 * A host of static files as one finds it: the built page below `base`, the models beside it, no ranges, no
 * special headers unless given. `edit` changes the page's HTML, as a new version of the page would.
 */
export async function startStaticSite({ base = "/", headers = {} } = {}) {
  const seen = [];
  let edit = (html) => html;
  const server = http.createServer((request, response) => {
    const { pathname } = new URL(request.url, "http://localhost");
    seen.push(pathname);
    answer(pathname, response).catch((error) => {
      if (!response.headersSent) response.writeHead(500);
      response.end(String(error));
    });
  });
  const listen = (port) => new Promise((resolve) => server.listen(port, "127.0.0.1", resolve));

  async function answer(pathname, response) {
    const path = pathname.startsWith(base)
      ? await locate(decodeURIComponent(pathname.slice(base.length)))
      : undefined;
    if (path === undefined) {
      response.writeHead(404, { "content-type": "text/html" });
      return response.end("<!doctype html><title>Not found</title>");
    }
    const type = types[extname(path)] ?? "application/octet-stream";
    // As hosts of static pages do: caches may keep a file for a while.
    const cached = { "cache-control": "max-age=600", "content-type": type, ...headers };
    if (extname(path) === ".html") {
      const body = Buffer.from(edit(await readFile(path, "utf8")));
      response.writeHead(200, { ...cached, "content-length": body.length });
      return response.end(body);
    }
    response.writeHead(200, { ...cached, "content-length": (await stat(path)).size });
    createReadStream(path).pipe(response);
  }

  await listen(0);
  const { port } = server.address();
  return {
    origin: `http://localhost:${port}`,
    /** Without the last slash, to which paths of the page are added. */
    url: `http://localhost:${port}${base.replace(/\/$/, "")}`,
    /** Paths that were asked for, below `base`. */
    seen: () => seen.map((path) => path.slice(base.length)),
    edit(change) {
      edit = change;
    },
    /** Closes the door: the next request finds nobody. */
    async stop() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
    restart: () => listen(port),
    async close() {
      if (server.listening) await this.stop();
    },
  };
}

async function locate(path) {
  const [folder, rest] = path.startsWith("models/")
    ? [folders.models, path.slice("models/".length)]
    : [folders.page, path === "" ? "index.html" : path];
  const file = normalize(join(folder, rest));
  if (!file.startsWith(normalize(folder) + sep)) return undefined;
  return (await stat(file).catch(() => undefined))?.isFile() ? file : undefined;
}
