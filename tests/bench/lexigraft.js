// Lexigraft's side of the measurement. Times are taken here, where a page would see them.
import { Lexigraft } from "/pkg/dist/index.js";

// The engine's linear memory only grows, so its size after a load is the peak of the load. It can
// be seen from here when the engine runs in the page (worker: false).
const memories = [];
for (const name of ["instantiate", "instantiateStreaming"]) {
  const original = WebAssembly[name];
  WebAssembly[name] = async (...values) => {
    const result = await original.apply(WebAssembly, values);
    const { exports } = result.instance ?? result;
    if (exports.memory instanceof WebAssembly.Memory) memories.push(exports.memory);
    return result;
  };
}

let lexigraft;
let model;

window.contestant = {
  async load({ url, device, worker = true, threads, contextLength }) {
    const start = performance.now();
    lexigraft ??= await Lexigraft.create({ device, worker, threads });
    const created = performance.now();
    let fromCache = false;
    model = await lexigraft.languageModel(url, {
      contextLength,
      onProgress: (event) => {
        fromCache = event.fromCache;
      },
    });
    return {
      createMs: created - start,
      loadMs: performance.now() - created,
      fromCache,
      fileBytes: model.info.fileBytes,
      residentBytes: model.info.residentBytes,
      wasmBytes: memories.reduce((sum, memory) => sum + memory.buffer.byteLength, 0),
      device: { ...lexigraft.device },
    };
  },

  unload: () => model.dispose(),

  /** What one thread of this machine can do at most in WebAssembly: bytes read and products, a second. */
  async limits() {
    const { default: init, MachineProbe } = await import("/pkg/dist/wasm/cpu/lexigraft.js");
    await init();
    const bytes = 128 << 20;
    const rounds = 1 << 22;
    const probe = new MachineProbe(bytes);
    const perSecond = (work) => {
      let best = 0;
      for (let round = 0; round < 7; round += 1) {
        const start = performance.now();
        const amount = work();
        best = Math.max(best, (amount * 1000) / (performance.now() - start));
      }
      return best;
    };
    return {
      bytes: perSecond(() => {
        probe.read();
        return bytes;
      }),
      products: perSecond(() => probe.multiply(rounds)),
    };
  },

  /** Puts the file into the package's cache. */
  async keep(options) {
    await this.load(options);
    model.dispose();
    await lexigraft.dispose();
  },

  /** Milliseconds from nothing to the first token of an answer. */
  async firstToken(options, content) {
    const start = performance.now();
    const { fromCache } = await this.load(options);
    if (!fromCache) throw new Error("the file did not come from the cache");
    const generation = model.chat([{ role: "user", content }], { temperature: 0, maxTokens: 1 });
    for await (const _ of generation) break;
    return performance.now() - start;
  },

  async chat(content, maxTokens) {
    // The engine keeps the last text's keys and values for the next turn; another text in between
    // makes it read the whole prompt again, as the peer is told to with cache_prompt.
    await model.generate("Something else.", { temperature: 0, maxTokens: 1 }).result;
    const start = performance.now();
    const generation = model.chat([{ role: "user", content }], { temperature: 0, maxTokens });
    let first = 0;
    let last = 0;
    for await (const piece of generation) {
      if (piece.tail) continue;
      last = performance.now();
      first ||= last;
    }
    const { text, ids, promptIds } = await generation.result;
    return {
      promptTokens: promptIds.length,
      tokens: ids.length,
      firstTokenMs: first - start,
      tokensPerSecond: ((ids.length - 1) * 1000) / (last - first),
      text,
    };
  },
};
