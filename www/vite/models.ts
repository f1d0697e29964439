import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import type { IncomingMessage, ServerResponse } from "node:http";
import { homedir } from "node:os";
import { join, normalize, sep } from "node:path";
import type { Connect, Plugin } from "vite";

/** The directory that `cargo xtask models` fills; `LEXIGRAFT_MODELS` overrides it. */
function modelsDirectory(): string {
  const cache = process.env.XDG_CACHE_HOME || join(homedir(), ".cache");
  return process.env.LEXIGRAFT_MODELS || join(cache, "lexigraft", "models");
}

/** `bytes=a-b`, `bytes=a-` or `bytes=-n` as an inclusive range; undefined when it asks for none. */
function parseRange(
  header: string | undefined,
  size: number,
): { start: number; end: number } | "unsatisfiable" | undefined {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header ?? "");
  if (!match || (match[1] === "" && match[2] === "")) return undefined;
  const suffix = match[1] === "";
  const start = suffix ? Math.max(0, size - Number(match[2])) : Number(match[1]);
  const end = suffix || match[2] === "" ? size - 1 : Math.min(Number(match[2]), size - 1);
  return start > end ? "unsatisfiable" : { start, end };
}

async function serve(
  directory: string,
  request: IncomingMessage,
  response: ServerResponse,
  next: Connect.NextFunction,
): Promise<void> {
  const refuse = (status: number) => {
    response.statusCode = status;
    response.end();
  };
  if (request.method !== "GET" && request.method !== "HEAD") return next();
  let path: string;
  try {
    path = decodeURIComponent(new URL(request.url ?? "/", "http://localhost").pathname);
  } catch {
    return refuse(400);
  }
  const file = normalize(join(directory, path));
  if (path.includes("\0") || !file.startsWith(directory + sep)) return refuse(404);
  const found = await stat(file).catch(() => undefined);
  // Never fall through: the page itself in answer to a missing model reads as a broken model.
  if (!found?.isFile()) return refuse(404);

  const range = parseRange(request.headers.range, found.size);
  response.setHeader("Accept-Ranges", "bytes");
  if (range === "unsatisfiable") {
    response.setHeader("Content-Range", `bytes */${found.size}`);
    return refuse(416);
  }
  const { start, end } = range ?? { start: 0, end: found.size - 1 };
  response.statusCode = range ? 206 : 200;
  response.setHeader("Content-Type", "application/octet-stream");
  response.setHeader("Content-Length", Math.max(0, end - start + 1));
  if (range) response.setHeader("Content-Range", `bytes ${start}-${end}/${found.size}`);
  if (request.method === "HEAD" || found.size === 0) {
    response.end();
    return;
  }
  const stream = createReadStream(file, { start, end });
  stream.on("error", () => response.destroy());
  response.on("close", () => stream.destroy());
  stream.pipe(response);
}

/** Serves the model cache under `/models/` in `vite dev` and `vite preview`. */
export function serveModels(): Plugin {
  const directory = normalize(modelsDirectory());
  const handler: Connect.NextHandleFunction = (request, response, next) => {
    serve(directory, request, response, next).catch(next);
  };
  return {
    name: "lexigraft-models",
    configureServer: (server) => {
      server.middlewares.use("/models", handler);
    },
    configurePreviewServer: (server) => {
      server.middlewares.use("/models", handler);
    },
  };
}
