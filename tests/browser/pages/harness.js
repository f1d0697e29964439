// The page's side of the package tests: plain module imports, no bundler. Everything that crosses
// to the tests is plain data.
import { Lexigraft, LexigraftError } from "/pkg/dist/index.js";

let lexigraft;
let model;

/** What an operation failed with, as plain data; undefined when it did not fail. */
async function failure(work) {
  try {
    await work();
    return undefined;
  } catch (error) {
    return { code: error?.code, message: error?.message, typed: error instanceof LexigraftError };
  }
}

function plainResult({ text, ids, promptIds, reason, seed, logProbs }) {
  return { text, ids: [...ids], promptIds: [...promptIds], reason, seed, logProbs };
}

window.harness = {
  isolated: () => self.crossOriginIsolated,

  async create(options) {
    await lexigraft?.dispose();
    model = undefined;
    lexigraft = await Lexigraft.create(options);
    return { ...lexigraft.device };
  },

  /** WebGPU in a worker whose device {@link loseDevice} takes away. */
  async createLosable() {
    await lexigraft?.dispose();
    model = undefined;
    const worker = () => new Worker("/pages/losable-worker.js", { type: "module" });
    lexigraft = await Lexigraft.create({ device: "webgpu", worker });
    return { ...lexigraft.device };
  },

  /** Loses the device in the middle of a generation; tells how that, and a call after it, failed. */
  async loseDevice(prompt) {
    const generation = model.generate(prompt, { maxTokens: 200, temperature: 0 });
    let pieces = 0;
    const during = await failure(async () => {
      for await (const _ of generation) {
        pieces += 1;
        if (pieces === 2) new BroadcastChannel("lose-devices").postMessage("now");
      }
    });
    const after = await failure(() => model.tokenize("text"));
    return { pieces, during, after, disposed: await failure(() => model.dispose()) };
  },

  createFailure: (options) => failure(async () => (await Lexigraft.create(options)).dispose()),

  /** Loads a model in place of the last one; returns what it is and what the progress told. */
  async load(url, options = {}) {
    await model?.dispose();
    model = undefined;
    const events = [];
    model = await lexigraft.languageModel(url, {
      ...options,
      onProgress: ({ phase, loaded, total, fromCache }) => events.push({ phase, loaded, total, fromCache }),
    });
    return { info: { ...model.info }, events };
  },

  loadFailure: (source, options = {}) =>
    failure(async () => {
      const loaded = await lexigraft.languageModel(source, options);
      await loaded.dispose();
    }),

  /** Aborts a load once a phase has begun to move bytes. */
  loadAborted(url, phase) {
    const abort = new AbortController();
    const onProgress = (event) => {
      if (event.phase === phase && event.loaded > 0) abort.abort();
    };
    return failure(() => lexigraft.languageModel(url, { signal: abort.signal, onProgress }));
  },

  /** Loads from bytes in hand, as a picked file would be. */
  async loadBlob(url) {
    await model?.dispose();
    model = await lexigraft.languageModel(await (await fetch(url)).blob());
    return { ...model.info };
  },

  tokenize: async (texts) => {
    const all = [];
    for (const text of texts) all.push([...(await model.tokenize(text, { addSpecial: false }))]);
    return all;
  },

  detokenize: (ids) => model.detokenize(ids),

  async top10(ids) {
    const logits = await model.logits(ids);
    const order = [...logits.keys()].sort((a, b) => logits[b] - logits[a]).slice(0, 10);
    return { ids: order, logits: order.map((id) => logits[id]) };
  },

  async score(text) {
    const { tokenNll, ids, bytes, tokens, bitsPerByte } = await model.score(text);
    return { tokenNll: [...tokenNll], ids: [...ids], bytes, tokens, bitsPerByte };
  },

  /** Generates, and checks on the way that the pieces add up to the result. */
  async generate(prompt, options) {
    const generation = model.generate(prompt, options);
    let text = "";
    for await (const piece of generation) text += piece.text;
    const result = await generation.result;
    if (text !== result.text) throw new Error(`the pieces gave ${JSON.stringify(text)}`);
    return plainResult(result);
  },

  async chat(messages, options) {
    return plainResult(await model.chat(messages, options).result);
  },

  /** Aborts a generation after some tokens. */
  async generateAborted(prompt, after) {
    const abort = new AbortController();
    const generation = model.generate(prompt, { maxTokens: 500, temperature: 0, signal: abort.signal });
    let tokens = 0;
    const failed = await failure(async () => {
      for await (const _ of generation) {
        tokens += 1;
        if (tokens === after) abort.abort();
      }
    });
    return { failed, result: plainResult(await generation.result) };
  },

  generateFailure: (prompt, options) =>
    failure(async () => {
      for await (const _ of model.generate(prompt, options)) {
        // Only the end is of interest.
      }
    }),

  /** Starts a second generation while the first one runs. */
  async busyFailure(prompt) {
    const first = model.generate(prompt, { maxTokens: 32, temperature: 0 });
    await first[Symbol.asyncIterator]().next();
    const failed = await failure(() => model.generate(prompt, { maxTokens: 2 }).result);
    first.cancel();
    await first.result;
    return failed;
  },

  async embed(baseUrl, texts) {
    const encoder = await lexigraft.encoder(baseUrl);
    const ids = [];
    for (const text of texts) ids.push([...(await encoder.tokenize(text))]);
    const vectors = (await encoder.embed(texts)).map((vector) => [...vector]);
    const info = { ...encoder.info };
    await encoder.dispose();
    return { ids, vectors, info };
  },

  cacheList: () => lexigraft.cache.list(),
  cacheClear: () => lexigraft.cache.clear(),

  async useAfterDispose() {
    const old = model;
    model = undefined;
    await old.dispose();
    return failure(() => old.tokenize("a"));
  },

  async dispose() {
    await lexigraft?.dispose();
    lexigraft = undefined;
    model = undefined;
  },
};
