// Models of other hosts, with the real model: hub addresses on a mirror of another origin, cut connections, servers
// that do not keep to ranges, integrity, and storage that is too small.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { ranges } from "../support/faults.mjs";
import { openPackagePage } from "../support/package-page.mjs";
import { reference } from "../support/paths.mjs";
import { startServer } from "../support/server.mjs";

const SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53";
const BYTES = 98_362_432;
const MIB = 1024 * 1024;
const CHUNK = 8 * MIB;
const FILE = "SmolLM2.gguf";
const { prompts } = await reference("smollm2-135m-instruct-q4_1");
let page;
/** Another origin, which allows every page and shows it no header beyond the usual. */
let mirror;

before(async () => {
  mirror = await startServer({ headers: { "access-control-allow-origin": "*" } });
  page = await openPackagePage();
  await create();
});
after(async () => {
  await page?.close();
  await mirror?.close();
});

const create = () => page.call("create", { device: "cpu", hub: `${mirror.url}/hub` });
const starts = (hub) => hub.asked.map(({ range }) => Number(/^bytes=(\d+)-$/.exec(range ?? "")?.[1] ?? 0));
const codes = (warnings) => warnings.map(({ code }) => code);

/** Whatever was kept is gone, and the room is as it was. */
async function empty() {
  await page.call("cacheClear");
  assert.deepEqual(await page.call("cacheFiles"), []);
}

async function writes() {
  const { ids } = await page.call("generate", prompts[0].prompt, { temperature: 0, maxTokens: 8 });
  assert.deepEqual(ids, prompts[0].greedy_ids.slice(0, 8));
}

test("an address on the hub is fetched from the mirror, stored, and deleted by the same name", async () => {
  const { events } = await page.call("load", `hf:lexigraft/smollm2/${FILE}`, { sha256: SHA256 });
  assert.equal(events.filter(({ phase }) => phase === "download").at(-1).loaded, BYTES);
  await writes();
  const path = `/hub/lexigraft/smollm2/resolve/main/${FILE}`;
  assert.deepEqual(
    mirror.hub.asked.map(({ method, pathname, referer, cookie }) => [method, pathname, referer, cookie]),
    [["GET", path, undefined, undefined]],
  );
  const [entry] = await page.call("cacheList");
  assert.equal(entry.url, mirror.url + path);
  const usage = await page.call("cacheUsage");
  assert.equal(usage.bytes, BYTES);
  assert.ok(usage.originBytes >= BYTES && usage.quotaBytes > usage.originBytes, JSON.stringify(usage));

  const again = await page.call("load", `hf:lexigraft/smollm2@main/${FILE}`);
  assert.ok(again.events.every(({ fromCache }) => fromCache));
  await page.call("cacheDelete", `hf:lexigraft/smollm2/${FILE}`);
  assert.deepEqual(await page.call("cacheList"), []);
});

test("a revision is part of the address", async () => {
  mirror.hub.play("revised", ranges.status(404));
  const failed = await page.call("loadFailure", `hf:lexigraft/revised@v1.2/${FILE}`);
  assert.equal(failed.code, "not-found");
  assert.equal(mirror.hub.asked[0].revision, "v1.2");
  assert.equal((await page.call("loadFailure", "hf:lexigraft")).code, "invalid-argument");
});

test("a connection that is cut twice is taken up where it ended, without a preflight", async () => {
  mirror.hub.play("cut", ranges.good({ most: 30 * MIB }), ranges.good({ most: 30 * MIB }), ranges.good());
  const { warnings } = await page.call("load", `hf:lexigraft/cut/${FILE}`, { sha256: SHA256 });
  assert.deepEqual(codes(warnings), ["connection-cut", "connection-cut"]);
  const [first, second, third] = starts(mirror.hub);
  assert.equal(first, 0);
  assert.ok(
    second > 0 && second <= 30 * MIB && third > second && third <= 60 * MIB,
    starts(mirror.hub).join(),
  );
  assert.ok(mirror.hub.asked.every(({ method }) => method === "GET"));
  await writes();
  await empty();
});

test("a load that failed is gone on with by the next one, in another page", async () => {
  mirror.hub.play("gone", ranges.good({ most: 30 * MIB }), ranges.status(503));
  const failed = await page.call("loadFailure", `hf:lexigraft/gone/${FILE}`);
  assert.equal(failed.code, "http");
  assert.equal(mirror.hub.asked.length, 4, "tried a bounded number of times");
  const { unfinishedBytes } = await page.call("cacheUsage");
  assert.ok(unfinishedBytes > 0 && unfinishedBytes % CHUNK === 0, String(unfinishedBytes));
  assert.deepEqual(await page.call("cacheList"), []);

  await page.open();
  await create();
  mirror.hub.play("gone", ranges.good());
  const { events } = await page.call("load", `hf:lexigraft/gone/${FILE}`, { sha256: SHA256 });
  assert.deepEqual(starts(mirror.hub), [unfinishedBytes]);
  assert.ok(events.some(({ phase }) => phase === "verify"));
  await writes();
  assert.equal((await page.call("cacheUsage")).unfinishedBytes, 0);
  await empty();
});

test("what a closed tab had received is not fetched again", async () => {
  mirror.hub.play("closed", ranges.good({ most: 50 * MIB, hang: true }));
  await page.call("loadUntil", `hf:lexigraft/closed/${FILE}`, 40 * MIB);
  await page.open();
  await create();
  mirror.hub.play("closed", ranges.good());
  await page.call("load", `hf:lexigraft/closed/${FILE}`, { sha256: SHA256 });
  const [start] = starts(mirror.hub);
  assert.ok(start >= 32 * MIB && start % CHUNK === 0, String(start));
  await writes();
  await empty();
});

const origins = {
  "of another origin": () => [mirror.hub, `hf:lexigraft/faulty/${FILE}`],
  "of the page's origin": () => [page.server.hub, `/hub/lexigraft/faulty/resolve/main/${FILE}`],
};
for (const [where, which] of Object.entries(origins)) {
  const other = where === "of another origin";
  const ways = [
    ["ignores ranges", ranges.ignored(), 2],
    ["sends another part than asked for", ranges.lie(), 3],
    ["has a new version", ranges.good({ version: 2 }), other ? 3 : 2],
    ["cannot satisfy the range", ranges.status(416), 3],
  ];
  // Of another origin, those that differ: the server cannot be asked with If-Range, and hides its ETag.
  for (const [what, way, requests] of other ? ways.slice(1, 3) : ways) {
    test(`a server ${where} that ${what} is asked for the whole file`, async () => {
      const [hub, address] = which();
      const version = what === "has a new version" ? 2 : 1;
      hub.play("faulty", ranges.good({ most: 20 * MIB }), way, ranges.good({ version }));
      await page.call("load", address);
      assert.equal(hub.asked.length, requests, JSON.stringify(hub.asked));
      // Other origins would have to allow this header first.
      assert.equal(hub.asked[1].ifRange, other ? undefined : '"one"');
      const [{ sha256 }] = await page.call("cacheList");
      assert.equal(sha256, SHA256);
      await empty();
    });
  }
}

test("a file with another hash is refused, and nothing of it is kept", async () => {
  mirror.hub.play("wrong", ranges.good({ most: 20 * MIB }), ranges.good());
  const failed = await page.call("loadFailure", `hf:lexigraft/wrong/${FILE}`, { sha256: "1".repeat(64) });
  assert.equal(failed.code, "integrity");
  assert.ok(failed.typed);
  assert.deepEqual(await page.call("cacheFiles"), []);
});

test("an abort ends a download at once, and keeps nothing", async () => {
  mirror.hub.play("slow", ranges.good({ most: 30 * MIB, hang: true }));
  const began = performance.now();
  const failed = await page.call("loadAborted", `hf:lexigraft/slow/${FILE}`, "download");
  assert.equal(failed.code, "aborted");
  assert.ok(performance.now() - began < 5000);
  // The page has its answer before the worker has tidied up.
  for (let tries = 0; tries < 100 && (await page.call("cacheFiles")).length > 0; tries += 1) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  assert.deepEqual(await page.call("cacheFiles"), []);
});

test("a file that is larger than the storage is refused in numbers, before it is downloaded", async () => {
  mirror.hub.play("huge", ranges.huge());
  const { originBytes, quotaBytes } = await page.call("cacheUsage");
  const failed = await page.call("loadFailure", `hf:lexigraft/huge/${FILE}`, { whenFull: "fail" });
  assert.equal(failed.code, "storage", failed.message);
  assert.match(failed.message, /20000000\.0 MB.* room for \d+\.\d MB/);
  assert.equal(failed.details.needed, 20e12);
  assert.ok(Math.abs(failed.details.available - (quotaBytes - originBytes)) < 1e6, JSON.stringify(failed));
  assert.deepEqual(await page.call("cacheFiles"), []);
});

test("storage that is full in the middle is told in numbers, and nothing broken is kept", async () => {
  const session = await page.context.newCDPSession(page.page);
  const origin = page.server.url;
  // The browser enforces this, and does not tell pages of it.
  await session.send("Storage.overrideQuotaForOrigin", { origin, quotaSize: 40e6 });
  for (const [repository, way, needed] of [
    ["large", ranges.good(), BYTES],
    ["endless", ranges.endless(), undefined],
  ]) {
    mirror.hub.play(repository, way);
    const address = `hf:lexigraft/${repository}/${FILE}`;
    const failed = await page.call("loadFailure", address, { whenFull: "fail" });
    assert.equal(failed.code, "storage", failed.message);
    assert.equal(failed.details.needed, needed);
    const { available } = failed.details;
    assert.ok(available > 0 && available <= 40e6, JSON.stringify(failed));
    assert.match(failed.message, new RegExp(`room for ${(available / 1e6).toFixed(1)} MB`));
    assert.deepEqual(await page.call("cacheFiles"), []);

    const { warnings } = await page.call("load", address, { sha256: SHA256 });
    assert.deepEqual(codes(warnings), ["cache-full"]);
    assert.equal(warnings[0].needed, needed);
    assert.equal(mirror.hub.asked.length, 2, "what had been written was fetched again");
    await writes();
    assert.deepEqual(await page.call("cacheFiles"), []);
  }
  await session.send("Storage.overrideQuotaForOrigin", { origin });
  await page.call("load", `hf:lexigraft/large/${FILE}`);
  assert.equal((await page.call("cacheList")).length, 1);
});

test("nothing was thrown that nobody caught", () => {
  assert.deepEqual(page.problems, []);
});
