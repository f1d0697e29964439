import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { type DownloadOptions, download } from "../src/download.js";
import type { DownloadHead } from "../src/ranges.js";
import { rejectsWith } from "./support/expect-error.js";
import { pattern, serve } from "./support/server.js";

interface Run {
  chunks: Uint8Array[];
  progress: [number, number | undefined][];
  heads: DownloadHead[];
  done: Promise<number>;
}

function run(url: string, options: Partial<DownloadOptions> = {}): Run {
  const chunks: Uint8Array[] = [];
  const progress: [number, number | undefined][] = [];
  const heads: DownloadHead[] = [];
  const done = download(url, {
    signal: new AbortController().signal,
    onProgress: (loaded, total) => progress.push([loaded, total]),
    open: async (head) => {
      heads.push(head);
      return async (chunk) => {
        chunks.push(chunk.slice());
      };
    },
    chunkBytes: 1000,
    retryMs: 1,
    ...options,
  });
  return { chunks, progress, heads, done };
}

const joined = (chunks: Uint8Array[]) => Buffer.concat(chunks);

test("bytes arrive whole, in chunks of equal size, with progress to the end", async () => {
  const bytes = pattern(4321);
  const server = await serve((_, response) => {
    response.setHeader("content-length", bytes.byteLength);
    response.setHeader("etag", '"v1"');
    response.setHeader("last-modified", "Mon, 01 Jan 2024 00:00:00 GMT");
    response.end(bytes);
  });
  try {
    const { done, chunks, progress, heads } = run(`${server.url}/m.gguf`);
    assert.equal(await done, 4321);
    assert.ok(joined(chunks).equals(bytes));
    assert.deepEqual(
      chunks.map((chunk) => chunk.byteLength),
      [1000, 1000, 1000, 1000, 321],
    );
    assert.deepEqual(heads, [{ total: 4321, etag: '"v1"', lastModified: "Mon, 01 Jan 2024 00:00:00 GMT" }]);
    assert.deepEqual(progress[0], [0, 4321]);
    assert.deepEqual(progress.at(-1), [4321, 4321]);
  } finally {
    await server.close();
  }
});

test("a server that does not say the length is read to its end", async () => {
  const bytes = pattern(2500);
  const server = await serve((_, response) => {
    response.write(bytes.subarray(0, 700));
    response.end(bytes.subarray(700));
  });
  try {
    const { done, chunks, progress, heads } = run(server.url);
    assert.equal(await done, 2500);
    assert.ok(joined(chunks).equals(bytes));
    assert.equal(heads[0]?.total, undefined);
    assert.deepEqual(progress.at(-1), [2500, 2500]);
  } finally {
    await server.close();
  }
});

test("a compressed answer is not taken for a cut one", async () => {
  const bytes = Buffer.alloc(5000, "a");
  const packed = gzipSync(bytes);
  const server = await serve((_, response) => {
    response.setHeader("content-encoding", "gzip");
    response.setHeader("content-length", packed.byteLength);
    response.end(packed);
  });
  try {
    assert.equal(await run(server.url).done, 5000);
  } finally {
    await server.close();
  }
});

test("an announced length below what arrives is forgotten, as other origins hide compression", async () => {
  const fetch = async () => new Response(pattern(3000), { headers: { "content-length": "10" } });
  const { done, progress } = run("https://host/m", { fetch });
  assert.equal(await done, 3000);
  assert.deepEqual(progress.at(-1), [3000, 3000]);
  assert.ok(progress.slice(1, -1).every(([, total]) => total === undefined));
});

test("statuses map to their codes", async () => {
  for (const [status, code, hint] of [
    [404, "not-found", /address/],
    [410, "not-found", /address/],
    [401, "http", /login/],
    [403, "http", /login/],
    [429, "http", /later/],
    [500, "http", /later/],
  ] as const) {
    const server = await serve((_, response) => {
      response.statusCode = status;
      response.end("{}");
    });
    try {
      const { done, heads } = run(server.url);
      const error = await rejectsWith(done, code);
      assert.match(error.message, new RegExp(`HTTP ${status}`));
      assert.match(error.hint ?? "", hint);
      assert.equal(heads.length, 0);
    } finally {
      await server.close();
    }
  }
});

test("a connection cut in the middle is a network error", async () => {
  const server = await serve((_, response) => {
    response.setHeader("content-length", 5000);
    response.write(pattern(2000), () => response.destroy());
  });
  try {
    const error = await rejectsWith(run(server.url).done, "network");
    assert.match(error.message, /cut/);
  } finally {
    await server.close();
  }
});

test("fewer bytes than announced are a network error that says how many", async () => {
  const fetch = async () => new Response(pattern(3000), { headers: { "content-length": "3001" } });
  const error = await rejectsWith(run("https://host/m", { fetch }).done, "network");
  assert.match(error.message, /3000 of 3001/);
});

test("no server at all is a network error", async () => {
  const server = await serve((_, response) => response.end());
  await server.close();
  await rejectsWith(run(server.url).done, "network");
});

test("a web page instead of a file is recognised by its type and by its first tag", async () => {
  for (const [type, body] of [
    ["text/html; charset=utf-8", "<p>not found</p>"],
    ["application/octet-stream", "\n<!DOCTYPE html><html></html>"],
    ["", "<html lang=en><body></body></html>"],
  ] as const) {
    const server = await serve((_, response) => {
      if (type !== "") response.setHeader("content-type", type);
      response.end(body);
    });
    try {
      const { done, chunks } = run(server.url);
      const error = await rejectsWith(done, "not-found");
      assert.match(error.message, /web page/);
      assert.equal(chunks.length, 0);
    } finally {
      await server.close();
    }
  }
});

test("a refused download is not read to its end", { timeout: 10_000 }, async () => {
  let close = () => {};
  const closed = new Promise<void>((resolve) => {
    close = resolve;
  });
  const server = await serve((request, response) => {
    request.socket.on("close", close);
    response.write(`<!doctype html>${" ".repeat(100)}`);
  });
  try {
    await rejectsWith(run(server.url).done, "not-found");
    await closed;
  } finally {
    await server.close();
  }
});

test("a file that merely starts with an angle bracket is no web page", async () => {
  // 0x3c is a plausible first byte of a safetensors header's length.
  const bytes = Uint8Array.of(0x3c, 0, 0, 0, 0, 0, 0, 0, 0x7b);
  assert.equal(await run("https://host/m", { fetch: async () => new Response(bytes) }).done, 9);
});

test("abort works before, while waiting for the server, and in the middle", async () => {
  await rejectsWith(run("http://127.0.0.1:9", { signal: AbortSignal.abort() }).done, "aborted");

  const silent = await serve(() => undefined);
  try {
    const controller = new AbortController();
    const { done } = run(silent.url, { signal: controller.signal });
    setTimeout(() => controller.abort(), 20);
    await rejectsWith(done, "aborted");
  } finally {
    await silent.close();
  }

  let closed = false;
  const stalled = await serve((request, response) => {
    request.socket.on("close", () => {
      closed = true;
    });
    response.setHeader("content-length", 5000);
    response.write(pattern(2000));
  });
  try {
    const controller = new AbortController();
    const { done } = run(stalled.url, {
      signal: controller.signal,
      onProgress: (loaded) => {
        if (loaded > 0) controller.abort();
      },
    });
    await rejectsWith(done, "aborted");
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.equal(closed, true, "the connection is still open");
  } finally {
    await stalled.close();
  }
});

test("abort works while a chunk is written", async () => {
  const controller = new AbortController();
  const { done } = run("https://host/m", {
    signal: controller.signal,
    fetch: async () => new Response(pattern(5000)),
    open: async () => async () => controller.abort(),
  });
  await rejectsWith(done, "aborted");
});

test("an empty file is zero bytes and no error here", async () => {
  const { done, chunks } = run("https://host/m", { fetch: async () => new Response(new Uint8Array()) });
  assert.equal(await done, 0);
  assert.equal(chunks.length, 0);
});
