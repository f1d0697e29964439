/**
 * Where the engine runs. The builds of `lexigraft/node` and `lexigraft/inline` put their own module in the place of
 * this one.
 */
import { resolveAddress } from "./address.js";
import { type Channel, workerChannel } from "./channel.js";
import type { CreateOptions } from "./types.js";

export type OpenChannel = (options: CreateOptions) => Promise<Channel>;

export const openChannel: OpenChannel = async ({ worker = true, workerUrl }) => {
  if (worker === false) return pageChannel();
  if (typeof worker === "function") return workerChannel(worker);
  return workerChannel(workerUrl === undefined ? packageWorker : () => workerAt(workerUrl));
};

/** Written this way, and only this way, because bundlers look for exactly this expression. */
function packageWorker(): Worker {
  return new Worker(new URL("./worker.js", import.meta.url), { type: "module", name: "lexigraft" });
}

function workerAt(workerUrl: string | URL): Worker {
  const url = resolveAddress(String(workerUrl));
  const options: WorkerOptions = { type: "module", name: "lexigraft" };
  if (url.origin === globalThis.location?.origin) return new Worker(url, options);
  // A worker's script must be of the page's origin; what it imports need not be. The address of this one line is not
  // revoked, because some browsers read it only after the constructor has returned.
  const script = new Blob([`import ${JSON.stringify(url.href)};`], { type: "text/javascript" });
  return new Worker(URL.createObjectURL(script), options);
}

/** An engine in the page itself. Its code is loaded only when it is wanted. */
async function pageChannel(): Promise<Channel> {
  const [{ hostChannel }, { browserEnvironment }] = await Promise.all([
    import("./host-channel.js"),
    import("./environment.js"),
  ]);
  return hostChannel(browserEnvironment);
}
