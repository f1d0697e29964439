// Downloads that are cut, and servers that do not keep to the ranges they are asked for.
import assert from "node:assert/strict";
import { createHash, randomFillSync } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { afterEach, test } from "node:test";
import { CacheStore } from "../src/cache.js";
import { type FetchFileOptions, fetchFile } from "../src/fetch-file.js";
import type { LoadProgress, LoadWarning } from "../src/types.js";
import { rejectsWith } from "./support/expect-error.js";
import { FakeSha256 } from "./support/fake-engine.js";
import { FakeOpfs } from "./support/fake-opfs.js";
import { serve, type TestServer } from "./support/server.js";

const MIB = 1024 * 1024;
// No part of them is like another.
const BYTES = randomFillSync(new Uint8Array(20 * MIB + 5));
const NEWER = BYTES.slice().reverse();
const SHA256 = createHash("sha256").update(BYTES).digest("hex");

afterEach(() => assert.equal(FakeSha256.living, 0, "a hash was not freed"));

interface Asked {
  range: string | undefined;
  ifRange: string | undefined;
}

/** A server that answers each request in turn as it is told; the last way goes on. */
async function faulty(...ways: ((reply: Reply) => void)[]): Promise<TestServer & { asked: Asked[] }> {
  const asked: Asked[] = [];
  const server = await serve((request, response) => {
    const way = ways[Math.min(asked.length, ways.length - 1)];
    asked.push({ range: request.headers.range, ifRange: request.headers["if-range"] as string | undefined });
    way?.(new Reply(request, response));
  });
  return Object.assign(server, { asked });
}

class Reply {
  constructor(
    readonly request: IncomingMessage,
    readonly response: ServerResponse,
  ) {}

  get from(): number {
    return Number(/^bytes=(\d+)-$/.exec(this.request.headers.range ?? "")?.[1] ?? 0);
  }

  /** Sends a file as a good server does, `most` bytes of it before the connection ends. */
  send({ bytes = BYTES, etag = '"v1"', from = this.from, most = Number.POSITIVE_INFINITY } = {}): void {
    const expected = this.request.headers["if-range"];
    const start = expected === undefined || expected === etag ? from : 0;
    const body = bytes.subarray(start);
    if (etag !== "") this.response.setHeader("etag", etag);
    this.response.setHeader("content-length", body.byteLength);
    if (start > 0) {
      this.response.setHeader("content-range", `bytes ${start}-${bytes.byteLength - 1}/${bytes.byteLength}`);
      this.response.statusCode = 206;
    }
    if (most >= body.byteLength) this.response.end(body);
    else this.response.write(body.subarray(0, most), () => this.response.destroy());
  }

  status(code: number, headers: Record<string, string> = {}): void {
    this.response.writeHead(code, headers);
    this.response.end();
  }
}

class Loads {
  warnings: LoadWarning[] = [];
  progress: LoadProgress[] = [];

  constructor(
    readonly url: string,
    readonly opfs = new FakeOpfs(),
  ) {}

  load(options: Partial<FetchFileOptions> = {}) {
    this.warnings = [];
    this.progress = [];
    return fetchFile(
      { kind: "url", url: `${this.url}/model.gguf` },
      {
        file: "weights",
        cache: "test",
        sha256: undefined,
        signal: new AbortController().signal,
        newSha256: () => new FakeSha256(),
        onProgress: (progress) => this.progress.push(progress),
        onWarning: (warning) => this.warnings.push(warning),
        openStore: async (name) => CacheStore.open(name, this.opfs.storage),
        retryMs: 1,
        ...options,
      },
    );
  }

  codes(): string[] {
    return this.warnings.map(({ code }) => code);
  }
}

async function assertIs(blob: Blob, bytes: Uint8Array): Promise<void> {
  assert.ok(Buffer.from(await blob.arrayBuffer()).equals(bytes), "other bytes");
}

test("a cut download goes on where it ended, and the file is whole", async () => {
  const server = await faulty(
    (reply) => reply.send({ most: 9 * MIB }),
    (reply) => reply.send({ most: 3 * MIB }),
    (reply) => reply.send(),
  );
  try {
    const loads = new Loads(server.url);
    const { blob } = await loads.load({ sha256: SHA256 });
    await assertIs(blob, BYTES);
    assert.deepEqual(loads.codes(), ["connection-cut", "connection-cut"]);
    const starts = server.asked.map(({ range }) => Number(/\d+/.exec(range ?? "0")?.[0]));
    assert.equal(starts.length, 3);
    assert.ok((starts[1] ?? 0) > 0 && (starts[2] ?? 0) > (starts[1] ?? 0), starts.join(" "));
    assert.deepEqual(server.asked[1]?.ifRange, '"v1"');
    // And the next load finds it.
    assert.equal((await loads.load()).fromCache, true);
    assert.equal(server.asked.length, 3);
    assert.deepEqual(loads.opfs.names(".part"), []);
  } finally {
    await server.close();
  }
});

for (const writing of ["sync", "stream"] as const) {
  test(`what a load received before it failed is there for the next one (${writing} writes)`, async () => {
    const server = await faulty(
      (reply) => reply.send({ most: 17 * MIB }),
      (reply) => reply.status(503),
      (reply) => reply.status(503),
      (reply) => reply.status(503),
      (reply) => reply.send(),
    );
    try {
      const loads = new Loads(server.url, new FakeOpfs({ writing }));
      await rejectsWith(loads.load(), "http");
      assert.equal(server.asked.length, 4, "tried a bounded number of times");
      const store = await CacheStore.open("test", loads.opfs.storage);
      assert.equal(await store?.unfinishedBytes(), 16 * MIB);
      assert.deepEqual(await store?.entries(), []);

      const { blob, fromCache } = await loads.load();
      await assertIs(blob, BYTES);
      assert.equal(fromCache, false);
      assert.equal(server.asked[4]?.range, `bytes=${16 * MIB}-`);
      assert.equal(
        loads.progress.find(({ phase, total }) => phase === "download" && total)?.loaded,
        16 * MIB,
      );
      assert.equal(await store?.unfinishedBytes(), 0);
      assert.equal((await store?.entries())?.[0]?.sha256, SHA256);
      assert.equal(loads.opfs.files.size, 2);
    } finally {
      await server.close();
    }
  });
}

test("of what was kept, only whole chunks that are as they were written count", async () => {
  for (const [damage, from] of [
    [(bytes: Uint8Array) => bytes.fill(0, 9 * MIB, 9 * MIB + 9), 8 * MIB],
    [(bytes: Uint8Array) => bytes.fill(0, 1, 9), 0],
  ] as const) {
    const server = await faulty(
      (reply) => reply.send({ most: 17 * MIB }),
      (reply) => reply.status(500),
      (reply) => reply.status(500),
      (reply) => reply.status(500),
      (reply) => reply.send(),
    );
    try {
      const loads = new Loads(server.url);
      await rejectsWith(loads.load(), "http");
      const [name = ""] = loads.opfs.names(".bin");
      damage(loads.opfs.files.get(name) ?? new Uint8Array());
      await assertIs((await loads.load()).blob, BYTES);
      assert.equal(server.asked[4]?.range, from === 0 ? undefined : `bytes=${from}-`);
      assert.equal(loads.opfs.files.size, 2, "something was left behind");
    } finally {
      await server.close();
    }
  }
});

const liars: [string, (reply: Reply) => void, number][] = [
  ["ignores the range", (reply) => reply.send({ from: 0 }), 2],
  ["has another version by now", (reply) => reply.send({ bytes: NEWER, etag: '"v2"' }), 2],
  [
    "sends another part than asked for",
    (reply) => {
      const { length } = BYTES;
      reply.response.writeHead(206, { etag: '"v1"', "content-range": `bytes 7-${length - 1}/${length}` });
      reply.response.end(BYTES.subarray(7));
    },
    3,
  ],
  [
    "sends a part of another version",
    (reply) => {
      const { length } = NEWER;
      const range = `bytes ${reply.from}-${length - 1}/${length}`;
      reply.response.writeHead(206, { etag: '"v2"', "content-range": range });
      reply.response.end(NEWER.subarray(reply.from));
    },
    3,
  ],
  [
    "says the rest and sends all of it",
    (reply) => {
      const { length } = BYTES;
      const range = `bytes ${reply.from}-${length - 1}/${length}`;
      reply.response.writeHead(206, { etag: '"v1"', "content-range": range });
      reply.response.end(BYTES);
    },
    3,
  ],
  ["cannot satisfy the range", (reply) => reply.status(416), 3],
];
for (const [what, lie, requests] of liars) {
  test(`a server that ${what} is asked for the whole file`, async () => {
    const now = what.includes("another version") ? { bytes: NEWER, etag: '"v2"' } : {};
    const server = await faulty(
      (reply) => reply.send({ most: 9 * MIB }),
      lie,
      (reply) => reply.send(now),
    );
    try {
      const loads = new Loads(server.url);
      const { blob } = await loads.load();
      await assertIs(blob, now.bytes ?? BYTES);
      assert.equal(server.asked.length, requests);
      assert.equal(server.asked[2]?.range, undefined);
      assert.equal((await loads.load()).fromCache, true);
      assert.equal(loads.opfs.files.size, 2, "something was left behind");
    } finally {
      await server.close();
    }
  });
}

test("a server that answers with a part whatever it is asked for is refused", async () => {
  const server = await faulty((reply) => reply.status(206, { "content-range": "bytes 0-0/9" }));
  try {
    const error = await rejectsWith(new Loads(server.url).load(), "http");
    assert.match(error.message, /206/);
  } finally {
    await server.close();
  }
});

test("a file without a version is begun anew, unless a hash will tell", async () => {
  for (const [sha256, range] of [
    [undefined, undefined],
    [SHA256, /^bytes=\d{7}/],
  ] as const) {
    const server = await faulty(
      (reply) => reply.send({ etag: "", most: 9 * MIB }),
      (reply) => reply.send({ etag: "" }),
    );
    try {
      await assertIs((await new Loads(server.url).load({ sha256 })).blob, BYTES);
      const asked = server.asked.at(-1)?.range;
      if (range === undefined) assert.equal(asked, undefined);
      else assert.match(asked ?? "", range);
    } finally {
      await server.close();
    }
  }
});

test("a file that does not have its hash is refused, and nothing of it is kept", async () => {
  const server = await faulty(
    (reply) => reply.send({ most: 9 * MIB }),
    (reply) => reply.send(),
  );
  try {
    const loads = new Loads(server.url);
    await rejectsWith(loads.load({ sha256: "0".repeat(64) }), "integrity");
    assert.equal(loads.opfs.files.size, 0);
  } finally {
    await server.close();
  }
});

test("a server that never gets further is given up, one that is gone sooner", async () => {
  const server = await faulty((reply) => reply.send({ from: 0, most: 2 * MIB }));
  try {
    await rejectsWith(new Loads(server.url).load(), "network");
    assert.equal(server.asked.length, 4);
  } finally {
    await server.close();
  }
  let tries = 0;
  const fetch = () => {
    tries += 1;
    return Promise.reject(new TypeError("Failed to fetch"));
  };
  await rejectsWith(new Loads("https://host").load({ fetch }), "network");
  assert.equal(tries, 2);
});

test("a refusal is no reason to try again", async () => {
  for (const [status, code] of [
    [404, "not-found"],
    [403, "http"],
  ] as const) {
    const server = await faulty((reply) => reply.status(status));
    try {
      await rejectsWith(new Loads(server.url).load(), code);
      assert.equal(server.asked.length, 1);
    } finally {
      await server.close();
    }
  }
});

test("an abort ends the pause before a retry at once, and keeps nothing", { timeout: 5000 }, async () => {
  const server = await faulty(
    (reply) => reply.send({ most: 9 * MIB }),
    (reply) => reply.status(503, { "retry-after": "20" }),
  );
  try {
    const loads = new Loads(server.url);
    const controller = new AbortController();
    const loading = loads.load({ signal: controller.signal });
    while (server.asked.length < 2) await new Promise((resolve) => setTimeout(resolve, 10));
    await new Promise((resolve) => setTimeout(resolve, 50));
    const began = performance.now();
    controller.abort();
    await rejectsWith(loading, "aborted");
    assert.ok(performance.now() - began < 1000);
    assert.equal(loads.opfs.files.size, 0);
  } finally {
    await server.close();
  }
});

test("a file too large for the storage says by how much, before and in the middle", async () => {
  const server = await faulty((reply) => reply.send());
  try {
    const small = new Loads(server.url, new FakeOpfs({ free: 5 * MIB }));
    const error = await rejectsWith(small.load({ whenFull: "fail" }), "storage");
    assert.match(error.message, /21\.0 MB.*5\.2 MB/);
    assert.deepEqual(error.details, { needed: BYTES.byteLength, available: 5 * MIB });
    assert.equal(small.opfs.files.size, 0);

    await assertIs((await small.load()).blob, BYTES);
    const [warning] = small.warnings;
    assert.deepEqual(
      [warning?.code, warning?.needed, warning?.available],
      ["cache-full", BYTES.byteLength, 5 * MIB],
    );

    for (const writing of ["sync", "stream"] as const) {
      const full = new Loads(server.url, new FakeOpfs({ writing, diskBytes: 10 * MIB }));
      await rejectsWith(full.load({ whenFull: "fail" }), "storage");
      assert.equal(full.opfs.files.size, 0, "something broken was kept");
    }
  } finally {
    await server.close();
  }
});
