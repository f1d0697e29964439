import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { afterEach, test } from "node:test";
import { CacheStore } from "../src/cache.js";
import { type FetchFileOptions, fetchFile } from "../src/fetch-file.js";
import type { LoadProgress, LoadWarning } from "../src/types.js";
import { rejectsWith } from "./support/expect-error.js";
import { FakeSha256 } from "./support/fake-engine.js";
import { FakeOpfs } from "./support/fake-opfs.js";
import { pattern } from "./support/server.js";

const MIB = 1024 * 1024;
const BYTES = pattern(20 * MIB);
const SHA256 = createHash("sha256").update(BYTES).digest("hex");
const URL = "https://host/model.gguf";

afterEach(() => assert.equal(FakeSha256.living, 0, "a hash was not freed"));

class Loads {
  fetches = 0;
  warnings: LoadWarning[] = [];
  progress: LoadProgress[] = [];
  body: () => Response = () =>
    new Response(BYTES, { headers: { "content-length": String(BYTES.byteLength) } });

  constructor(readonly opfs: FakeOpfs | undefined) {}

  async load(options: Partial<FetchFileOptions> = {}) {
    this.warnings = [];
    this.progress = [];
    return fetchFile(
      { kind: "url", url: URL },
      {
        file: "weights",
        cache: "test",
        sha256: undefined,
        signal: new AbortController().signal,
        newSha256: () => new FakeSha256(),
        onProgress: (progress) => this.progress.push(progress),
        onWarning: (warning) => this.warnings.push(warning),
        fetch: async () => {
          this.fetches += 1;
          return this.body();
        },
        openStore: async (name) => CacheStore.open(name, this.opfs?.storage),
        retryMs: 1,
        ...options,
      },
    );
  }

  phases(): string[] {
    return [...new Set(this.progress.map(({ phase, fromCache }) => `${phase}${fromCache ? " cached" : ""}`))];
  }
}

async function assertWhole(blob: Blob): Promise<void> {
  assert.equal(blob.size, BYTES.byteLength);
  const hash = createHash("sha256").update(new Uint8Array(await blob.arrayBuffer()));
  assert.equal(hash.digest("hex"), SHA256);
}

for (const writing of ["sync", "stream"] as const) {
  test(`a download is stored, and found and verified the next time (${writing} writes)`, async () => {
    const loads = new Loads(new FakeOpfs({ writing }));
    const first = await loads.load();
    await assertWhole(first.blob);
    assert.equal(first.fromCache, false);
    assert.deepEqual(loads.warnings, []);
    assert.deepEqual(loads.phases(), ["download"]);

    const second = await loads.load();
    await assertWhole(second.blob);
    assert.equal(second.fromCache, true);
    assert.equal(loads.fetches, 1);
    assert.deepEqual(loads.phases(), ["verify cached"]);
    assert.equal(loads.progress.at(-1)?.loaded, BYTES.byteLength);

    const store = await CacheStore.open("test", loads.opfs?.storage);
    const [entry] = (await store?.entries()) ?? [];
    assert.deepEqual([entry?.url, entry?.bytes, entry?.sha256], [URL, BYTES.byteLength, SHA256]);
  });
}

test("a damaged, shortened or half-described entry is downloaded again", async () => {
  const opfs = new FakeOpfs();
  const loads = new Loads(opfs);
  await loads.load();
  const damage: [string, string[], (name: string, bytes: Uint8Array<ArrayBuffer>) => void][] = [
    [".bin", ["cache-damaged"], (_, bytes) => bytes.fill(0xff, 9 * MIB, 9 * MIB + 1)],
    [".bin", [], (name, bytes) => opfs.files.set(name, bytes.slice(0, -1))],
    [".bin", [], (name) => opfs.files.delete(name)],
    [".json", [], (name, bytes) => opfs.files.set(name, bytes.slice(0, 50))],
    [".json", [], (name) => opfs.files.delete(name)],
  ];
  for (const [ending, warnings, apply] of damage) {
    const [name = ""] = opfs.names(ending);
    apply(name, opfs.files.get(name) ?? new Uint8Array());
    const before = loads.fetches;
    const { blob, fromCache } = await loads.load();
    await assertWhole(blob);
    assert.equal(fromCache, false);
    assert.equal(loads.fetches, before + 1);
    assert.deepEqual(
      loads.warnings.map(({ code }) => code),
      warnings,
    );
    assert.equal(opfs.files.size, 2, "the broken entry was left behind");
  }
});

test("a download that fails or is aborted leaves nothing behind", async () => {
  const opfs = new FakeOpfs();
  const loads = new Loads(opfs);
  loads.body = () => new Response(BYTES, { headers: { "content-length": String(BYTES.byteLength + 1) } });
  await rejectsWith(loads.load(), "network");
  assert.equal(opfs.files.size, 0);

  const controller = new AbortController();
  loads.body = () => new Response(BYTES);
  const aborted = loads.load({
    signal: controller.signal,
    onProgress: ({ loaded }) => {
      if (loaded > 9 * MIB) controller.abort();
    },
  });
  await rejectsWith(aborted, "aborted");
  assert.equal(opfs.files.size, 0);
});

test("the expected hash is checked for downloads, cache entries and files", async () => {
  const opfs = new FakeOpfs();
  const loads = new Loads(opfs);
  const wrong = "0".repeat(64);
  await rejectsWith(loads.load({ sha256: wrong }), "integrity");
  assert.equal(opfs.files.size, 0, "a refused file was kept");

  await loads.load({ sha256: SHA256 });
  assert.equal((await loads.load({ sha256: SHA256 })).fromCache, true);

  // The server now has a newer version, and the caller knows it.
  const newer = pattern(1000).reverse();
  loads.body = () => new Response(newer);
  const newerSha256 = createHash("sha256").update(newer).digest("hex");
  const replaced = await loads.load({ sha256: newerSha256 });
  assert.equal(replaced.blob.size, 1000);
  assert.equal((await loads.load()).blob.size, 1000);

  const file = (sha256: string) =>
    fetchFile(
      { kind: "blob", blob: new Blob([BYTES]) },
      {
        file: "weights",
        cache: "test",
        sha256,
        signal: new AbortController().signal,
        newSha256: () => new FakeSha256(),
        onProgress: () => undefined,
        onWarning: () => undefined,
      },
    );
  await rejectsWith(file(wrong), "integrity");
  await assertWhole((await file(SHA256)).blob);
});

test("without a file system the load goes on in memory and says so", async () => {
  const loads = new Loads(undefined);
  await assertWhole((await loads.load()).blob);
  assert.deepEqual(
    loads.warnings.map(({ code }) => code),
    ["cache-unavailable"],
  );

  const broken = await loads.load({ openStore: () => Promise.reject(new Error("private window")) });
  await assertWhole(broken.blob);
  assert.match(loads.warnings[0]?.message ?? "", /private window/);
});

const failing: [string, FakeOpfs, string, number][] = [
  ["a browser that cannot write files", new FakeOpfs({ writing: "none" }), "cache-unavailable", 1],
  ["too little room, known before", new FakeOpfs({ free: 1000 }), "cache-full", 1],
  [
    "a disk that fills up in a worker: what was written is kept",
    new FakeOpfs({ diskBytes: 10 * MIB }),
    "cache-full",
    1,
  ],
  [
    "a quota that runs out in the page: the download is made again",
    new FakeOpfs({ writing: "stream", diskBytes: 10 * MIB }),
    "cache-full",
    2,
  ],
];
for (const [what, opfs, warning, fetches] of failing) {
  test(`the cache never stops a load: ${what}`, async () => {
    const loads = new Loads(opfs);
    const { blob } = await loads.load();
    await assertWhole(blob);
    assert.deepEqual(
      loads.warnings.map(({ code }) => code),
      [warning],
    );
    assert.equal(loads.fetches, fetches);
    assert.equal(opfs.names(".json").length, 0);
    assert.equal(opfs.names(".bin").length, 0);
  });
}

test("cache: false touches neither the cache nor its warnings", async () => {
  const opfs = new FakeOpfs();
  const loads = new Loads(opfs);
  await assertWhole((await loads.load({ cache: undefined })).blob);
  assert.equal(opfs.files.size, 0);
  assert.deepEqual(loads.warnings, []);
});

test("two loads of one address at once both get the whole file", async () => {
  const loads = new Loads(new FakeOpfs());
  const both = await Promise.all([loads.load(), loads.load()]);
  for (const { blob } of both) await assertWhole(blob);
  await assertWhole((await loads.load()).blob);
});
