/** The script of a helper thread in Node, as thread.ts is in a browser. */
import { parentPort, workerData } from "node:worker_threads";
import type { ThreadStart } from "../threads.js";
import init, { help } from "../wasm/cpu-threads/lexigraft.js";

const { module, memory } = workerData as ThreadStart;
await init({ module_or_path: module, memory });
parentPort?.postMessage("ready");
help?.();
