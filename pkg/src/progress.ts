/** About as often as a person can see a bar move. */
const INTERVAL_MS = 50;

/** Thins out progress events: the first and the last of each topic always pass. */
export class ProgressThrottle {
  #topic: string | undefined;
  #next = 0;

  due(topic: string, last: boolean): boolean {
    const now = performance.now();
    if (!last && topic === this.#topic && now < this.#next) return false;
    this.#topic = topic;
    this.#next = now + INTERVAL_MS;
    return true;
  }
}
