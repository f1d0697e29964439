// The package's worker, which a page can have take the engine's memory away.
import "/pkg/dist/worker.js";
import { MachineProbe } from "/pkg/dist/wasm/cpu/lexigraft.js";

const taken = [];
const channel = new BroadcastChannel("greedy-worker");
channel.addEventListener("message", ({ data }) => {
  taken.push(new MachineProbe(data));
  channel.postMessage("taken");
});
