import { createReadStream } from "node:fs";
import { readdir, readFile, stat } from "node:fs/promises";
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
 * special headers unless given.
 */
export async function startStaticSite({ base = "/", headers = {} } = {}) {
  const seen = [];
  /** What the names of the build's files begin with, and what the title does. */
  let version = { prefix: "", title: "Lexigraft" };
  const assets = await readdir(join(folders.page, "assets"));
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
    const { prefix, title } = version;
    const wanted = decodeURIComponent(pathname.slice(base.length));
    const old = prefix === "" ? undefined : /^assets\/(.*)/.exec(wanted)?.[1];
    // A host has the files of its last version alone.
    const gone = !pathname.startsWith(base) || (old !== undefined && !old.startsWith(prefix));
    const path = gone ? undefined : await locate(wanted.replace(`assets/${prefix}`, "assets/"));
    if (path === undefined) {
      response.writeHead(404, { "content-type": "text/html" });
      return response.end("<!doctype html><title>Not found</title>");
    }
    const type = types[extname(path)] ?? "application/octet-stream";
    // As hosts of static pages do: caches may keep a file for a while.
    const cached = { "cache-control": "max-age=600", "content-type": type, ...headers };
    if (/^\.(html|js|css)$/.test(extname(path))) {
      let text = (await readFile(path, "utf8")).replace("<title>Lexigraft", `<title>${title}`);
      if (prefix !== "") for (const name of assets) text = text.replaceAll(name, prefix + name);
      const body = Buffer.from(text);
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
    /** Puts a new version of the page in place of the old: every file of the build has another name. */
    publish(title) {
      version = { prefix: `${title.toLowerCase()}-`, title };
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
