import { open, stat } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { folders, models } from "./paths.mjs";

const MIB = 1024 * 1024;
const modelPath = join(folders.models, models.smollm2);

/** A well-formed file that holds one tensor; the format carries no configuration and no tokenizer. */
export const tinySafetensors = (() => {
  const tensors = { "model.embed_tokens.weight": { dtype: "F32", shape: [2, 2], data_offsets: [0, 16] } };
  const header = Buffer.from(JSON.stringify(tensors));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  return Buffer.concat([length, header, Buffer.alloc(16)]);
})();

/** A usable configuration for it. */
export const tinyConfig = JSON.stringify({
  architectures: ["LlamaForCausalLM"],
  model_type: "llama",
  vocab_size: 2,
  hidden_size: 2,
  intermediate_size: 4,
  num_hidden_layers: 1,
  num_attention_heads: 1,
  num_key_value_heads: 1,
  max_position_embeddings: 64,
  rms_norm_eps: 1e-5,
  rope_theta: 10_000,
  tie_word_embeddings: true,
});

/** Ways for a model's address to go wrong, each under /fault/NAME/…. */
export const faults = {
  missing: (response) => plain(response, 404),
  gone: (response) => plain(response, 410),
  broken: (response) => plain(response, 500),
  forbidden: (response) => plain(response, 403),

  /** The connection ends in the middle of the file. */
  cut: async (response) => {
    await begin(response);
    await send(response, 0, 20 * MIB);
    response.destroy();
  },

  /** The server announces the whole file, sends a part, and ends as if that were all. */
  "wrong-length": async (response) => {
    await begin(response, { connection: "close" });
    await send(response, 0, 3 * MIB);
    response.end();
  },

  /** About five megabytes a second, so that there is time to cancel. */
  slow: async (response) => {
    const size = await begin(response);
    for (let at = 0; at < size && !response.destroyed; at += MIB / 4) {
      await send(response, at, Math.min(at + MIB / 4, size));
      await pause(50);
    }
    response.end();
  },

  /** A whole answer with only the beginning of the file in it. */
  truncated: async (response) => {
    response.writeHead(200, { "content-length": 12 * MIB });
    await send(response, 0, 12 * MIB);
    response.end();
  },

  /** What a single-page application's server sends for any address. */
  html: (response) => whole(response, "<!doctype html><title>Welcome</title><p>Not a model.", "text/html"),
  empty: (response) => whole(response, ""),
  "wrong-magic": (response) => whole(response, Buffer.alloc(4096, "ABCD")),
  "old-gguf": (response) => whole(response, ggufHeader(1, 0n, 0n)),
  "absurd-gguf": (response) => whole(response, ggufHeader(3, 2n ** 60n, 2n ** 60n)),
  "unknown-architecture": (response) => whole(response, ggufArchitecture("mamba")),
  safetensors: (response) => whole(response, tinySafetensors),
  config: (response) => whole(response, tinyConfig),
};

function plain(response, status) {
  response.writeHead(status, { "content-type": "text/plain" });
  response.end("no\n");
}

function whole(response, body, type = "application/octet-stream") {
  response.writeHead(200, { "content-type": type, "content-length": Buffer.byteLength(body) });
  response.end(body);
}

async function begin(response, headers = {}) {
  const { size } = await stat(modelPath);
  response.writeHead(200, { "content-type": "application/octet-stream", "content-length": size, ...headers });
  return size;
}

/**
 * A hub of models in small: /hub/OWNER/REPO/resolve/REVISION/FILE is the real model, whatever the names. `play` gives
 * a repository its ways to answer, one a request; the last one goes on. It is a good server otherwise.
 */
export class Hub {
  /** What was asked for, in order. */
  asked = [];
  #ways = new Map();

  play(repository, ...ways) {
    this.#ways.set(repository, ways);
    this.asked = [];
  }

  async answer(pathname, request, response) {
    const [, repository, revision] = /^\/hub\/[^/]+\/([^/]+)\/resolve\/([^/]+)\/./.exec(pathname) ?? [];
    if (repository === undefined) return plain(response, 404);
    const { range, "if-range": ifRange, referer, cookie } = request.headers;
    this.asked.push({ method: request.method, pathname, revision, range, ifRange, referer, cookie });
    const ways = this.#ways.get(repository) ?? [];
    const way = (ways.length > 1 ? ways.shift() : ways[0]) ?? ranges.good();
    return way(request, response);
  }
}

const versions = {
  1: { etag: '"one"', "last-modified": "Mon, 01 Jan 2024 00:00:00 GMT" },
  2: { etag: '"two"', "last-modified": "Tue, 02 Jan 2024 00:00:00 GMT" },
};

/** Ways of a {@link Hub} to answer. */
export const ranges = {
  /** Keeps to the range that it was asked for, and to If-Range. `most`: bytes until the connection is cut. */
  good:
    ({ version = 1, most = Number.POSITIVE_INFINITY, hang = false } = {}) =>
    async (request, response) => {
      const { size } = await stat(modelPath);
      const { "if-range": ifRange, range } = request.headers;
      const same = ifRange === undefined || Object.values(versions[version]).includes(ifRange);
      const from = same ? Number(/^bytes=(\d+)-$/.exec(range ?? "")?.[1] ?? 0) : 0;
      const partial = same && range !== undefined;
      response.writeHead(partial ? 206 : 200, {
        ...versions[version],
        "content-type": "application/octet-stream",
        "content-length": size - from,
        ...(partial ? { "content-range": `bytes ${from}-${size - 1}/${size}` } : {}),
      });
      await send(response, from, Math.min(size, from + most));
      if (from + most >= size) response.end();
      else if (!hang) response.destroy();
    },

  /** Sends the whole file whatever it was asked for. */
  ignored: () => async (_, response) => {
    const { size } = await stat(modelPath);
    response.writeHead(200, { ...versions[1], "content-length": size });
    await send(response, 0, size);
    response.end();
  },

  /** Says that it sends the rest, and sends the beginning. */
  lie: () => async (_, response) => {
    const { size } = await stat(modelPath);
    response.writeHead(206, {
      ...versions[1],
      "content-length": size,
      "content-range": `bytes 0-${size - 1}/${size}`,
    });
    await send(response, 0, size);
    response.end();
  },

  /** Announces more than a browser gives a site. */
  huge: () => (_, response) => {
    response.writeHead(200, { ...versions[1], "content-length": 20e12 });
    response.write("GGUF");
  },

  /** Does not say how long the file is. */
  endless: () => async (_, response) => {
    const { size } = await stat(modelPath);
    response.writeHead(200, versions[1]);
    await send(response, 0, size);
    response.end();
  },

  status: (status, headers = {}) => {
    return (_, response) => {
      response.writeHead(status, { "content-type": "text/plain", ...headers });
      response.end("no\n");
    };
  },
};

async function send(response, from, to) {
  const file = await open(modelPath);
  try {
    for (let at = from; at < to && !response.destroyed; at += MIB) {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(Math.min(MIB, to - at)), 0, undefined, at);
      if (!response.write(buffer.subarray(0, bytesRead))) await drained(response);
    }
  } finally {
    await file.close();
  }
}

/** Resolves when the browser took what was sent, or went away. */
function drained(response) {
  return new Promise((resolve) => {
    if (response.destroyed) return resolve();
    const done = () => {
      response.off("drain", done).off("close", done);
      resolve();
    };
    response.on("drain", done).on("close", done);
  });
}

function ggufHeader(version, tensors, keys) {
  const bytes = Buffer.alloc(64);
  bytes.write("GGUF");
  bytes.writeUInt32LE(version, 4);
  bytes.writeBigUInt64LE(tensors, 8);
  bytes.writeBigUInt64LE(keys, 16);
  return bytes;
}

function ggufArchitecture(name) {
  const text = (value) => {
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(value.length));
    return Buffer.concat([length, Buffer.from(value)]);
  };
  const stringKind = Buffer.from([8, 0, 0, 0]);
  const entry = [text("general.architecture"), stringKind, text(name)];
  return Buffer.concat([ggufHeader(3, 0n, 1n).subarray(0, 24), ...entry, Buffer.alloc(64)]);
}
