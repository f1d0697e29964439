import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { workerChannel } from "../src/channel.js";
import { EngineClient } from "../src/client.js";
import { type AliveMessage, holdLife, watchLife } from "../src/life.js";
import { rejectsWith } from "./support/expect-error.js";

/** Locks of one name each: the first that asks holds it, the second waits. */
class FakeLocks {
  readonly held = new Map<string, () => void>();
  readonly waiting = new Map<string, () => void>();

  request(
    name: string,
    ...rest: [() => unknown] | [{ signal: AbortSignal }, () => unknown]
  ): Promise<unknown> {
    const [options, task] = rest.length === 1 ? [undefined, rest[0]] : rest;
    if (!this.held.has(name)) {
      this.held.set(name, () => this.#release(name));
      return Promise.resolve(task());
    }
    return new Promise((resolve, reject) => {
      this.waiting.set(name, () => resolve(task()));
      options?.signal.addEventListener("abort", () => {
        this.waiting.delete(name);
        reject(options.signal.reason);
      });
    });
  }

  #release(name: string): void {
    this.held.delete(name);
    this.waiting.get(name)?.();
    this.waiting.delete(name);
  }
}

const own = Object.getOwnPropertyDescriptor(globalThis, "navigator");

function withLocks(locks: unknown): void {
  Object.defineProperty(globalThis, "navigator", { value: { locks }, configurable: true });
}

afterEach(() => {
  if (own === undefined) Reflect.deleteProperty(globalThis, "navigator");
  else Object.defineProperty(globalThis, "navigator", own);
});

/** As much of a worker as the channel uses. */
class FakeWorker extends EventTarget {
  terminated = 0;
  postMessage(): void {}
  terminate(): void {
    this.terminated += 1;
  }
  say(data: unknown): void {
    this.dispatchEvent(Object.assign(new Event("message"), { data }));
  }
}

function living(locks: FakeLocks) {
  withLocks(locks);
  const worker = new FakeWorker();
  const client = new EngineClient(workerChannel(() => worker as unknown as Worker));
  holdLife((message) => worker.say(message));
  const [lock] = [...locks.held.keys()];
  assert.ok(lock !== undefined && locks.waiting.has(lock), "the page waits for the worker's lock");
  return { worker, client, die: locks.held.get(lock) as () => void };
}

test("a worker whose lock is given up has ended, and what waits is told", async () => {
  const { worker, client, die } = living(new FakeLocks());
  const call = client.call("memory", {});
  die();
  const error = await rejectsWith(call, "worker-failed");
  assert.match(error.message, /has ended/);
  assert.match(error.hint ?? "", /create a new one/);
  assert.equal(worker.terminated, 1);
  await rejectsWith(client.call("memory", {}), "worker-failed");
});

test("an engine that was disposed of waits for nothing", async () => {
  const locks = new FakeLocks();
  const { client, die } = living(locks);
  await client.close();
  assert.equal(locks.waiting.size, 0);
  die();
  await rejectsWith(client.call("memory", {}), "disposed");
});

test("without locks, or where they are refused, a worker tells nothing and works", async () => {
  const told: AliveMessage[] = [];
  withLocks(undefined);
  holdLife((message) => told.push(message));
  withLocks({ request: () => Promise.reject(new DOMException("not here", "SecurityError")) });
  holdLife((message) => told.push(message));
  watchLife("x", () => assert.fail("nothing has ended"))();
  await new Promise((resolve) => setTimeout(resolve));
  assert.deepEqual(told, []);
});
