/**
 * How a page hears that its worker is gone. No event tells it when a worker is ended from outside or closes itself;
 * but a worker's locks end with it. So the worker holds one as long as it lives, and the page waits for it.
 *
 * Where there are no Web Locks (an insecure context, an opaque origin), such an end goes unheard.
 */

/** From the worker: it lives as long as it holds this lock. */
export interface AliveMessage {
  type: "alive";
  lock: string;
}

export function isAliveMessage(message: { type: string }): message is AliveMessage {
  return message.type === "alive";
}

/** Takes a lock that ends with the worker that this runs in, and tells its name once it is held. */
export function holdLife(tell: (message: AliveMessage) => void): void {
  const locks = globalThis.navigator?.locks;
  if (!locks) return;
  const lock = `lexigraft:alive:${crypto.randomUUID()}`;
  const forever = () => {
    tell({ type: "alive", lock });
    return new Promise<never>(() => undefined);
  };
  // Refused where an origin may not have locks, and then the page is told of none.
  locks.request(lock, forever).catch(() => undefined);
}

/** Calls back when the worker that holds `lock` is gone. The function that it returns ends the wait. */
export function watchLife(lock: string, onEnd: () => void): () => void {
  const stop = new AbortController();
  const { locks } = globalThis.navigator;
  locks.request(lock, { signal: stop.signal }, onEnd).catch(() => undefined);
  return () => stop.abort();
}
