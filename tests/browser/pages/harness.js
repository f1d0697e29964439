// The page's side of the package tests: plain module imports, no bundler. Everything that crosses
// to the tests is plain data.
import { Lexigraft, LexigraftError } from "/pkg/dist/index.js";
import { graftCalls } from "./graft-harness.js";

let lexigraft;
let model;
let vision;

/** What an operation failed with, as plain data; undefined when it did not fail. */
async function failure(work) {
  try {
    await work();
    return undefined;
  } catch (error) {
    const { code, message, details } = error ?? {};
    return { code, message, details, typed: error instanceof LexigraftError };
  }
}

/** A picture as the tests name it: what a page would have in hand. */
async function pictureOf({ url, as = "blob", synthetic, bytes, pixels }) {
  if (synthetic !== undefined)
    return { values: syntheticValues(synthetic), width: synthetic, height: synthetic };
  if (bytes !== undefined) return Uint8Array.from(bytes);
  if (pixels !== undefined) {
    const { width, height } = pixels;
    const data = new Uint8ClampedArray(width * height * 4).fill(255);
    for (let i = 0; i < data.length; i += 4) data[i] = (i / 4) % 251;
    return new ImageData(data, width, height);
  }
  if (as === "url") return url;
  const blob = await (await fetch(url)).blob();
  if (as === "bitmap") return createImageBitmap(blob);
  if (as === "image") {
    const image = new Image();
    image.src = url;
    await image.decode();
    return image;
  }
  return blob;
}

/** As the reference: `x[c, i, j] = sin(0.05 i + 0.03 j + c)`. */
function syntheticValues(size) {
  return Float32Array.from({ length: 3 * size * size }, (_, at) => {
    const [c, i, j] = [Math.floor(at / (size * size)), Math.floor(at / size) % size, at % size];
    return Math.sin(0.05 * i + 0.03 * j + c);
  });
}

/** Sums up what was seen: patches as their norms, the heat map as its mean and largest value. */
function plainSeen(seen) {
  const { embedding, patches, heat, rows, columns, tokens, maps, macs, denseMacs } = seen;
  const hidden = embedding.length;
  const norms = Array.from({ length: rows * columns }, (_, patch) =>
    Math.hypot(...patches.subarray(patch * hidden, (patch + 1) * hidden)),
  );
  let mean = 0;
  let top = 0;
  for (const [index, value] of heat.entries()) {
    mean += value / heat.length;
    if (value > heat[top]) top = index;
  }
  return {
    embedding: [...embedding],
    norms,
    heat: { mean, max: heat[top], argmax: top, length: heat.length },
    rows,
    columns,
    tokens,
    maps: maps.map((map) => [...map]),
    macs,
    denseMacs,
    timings: { backbone: seen.backboneMs, reduce: seen.reduceMs, total: seen.totalMs },
    pixels: seen.pixels && { length: seen.pixels.length, first: [...seen.pixels.subarray(0, 4)] },
    frame: seen.frame,
  };
}

function plainResult({ text, ids, promptIds, reason, seed, logProbs }) {
  return { text, ids: [...ids], promptIds: [...promptIds], reason, seed, logProbs };
}

window.harness = {
  ...graftCalls(() => ({ lexigraft, model }), failure),

  isolated: () => self.crossOriginIsolated,

  async create(options) {
    await lexigraft?.dispose();
    model = undefined;
    vision = undefined;
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

  /** The calls to WebGPU of this page, counted from the first time that this is asked. */
  countedGpu: async () => (await import("./counted-gpu.js")).counted(),

  createFailure: (options) => failure(async () => (await Lexigraft.create(options)).dispose()),

  /** Loads a model in place of the last one; returns what it is and what the progress told. */
  async load(url, options = {}) {
    await model?.dispose();
    model = undefined;
    const events = [];
    const warnings = [];
    model = await lexigraft.languageModel(url, {
      ...options,
      onProgress: ({ phase, loaded, total, fromCache }) => events.push({ phase, loaded, total, fromCache }),
      onWarning: (warning) => warnings.push({ ...warning }),
    });
    return { info: { ...model.info }, events, warnings };
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

  /** The distribution after each prefix, with what it took. */
  async nextBytes(prefixes, options) {
    const bytes = await model.bytes(options);
    const all = [];
    for (const prefix of prefixes) {
      const { logProbs, evaluations, trunk, cover } = await bytes.nextByte(prefix);
      all.push({
        logProbs: [...logProbs],
        evaluations,
        trunk: await model.tokenText(trunk),
        cover: cover.map(({ share, pending, next }) => ({
          share,
          pending: new TextDecoder().decode(pending),
          next: next.length,
        })),
      });
    }
    await bytes.dispose();
    return all;
  },

  async scoreBytes(prefix, text, options) {
    const bytes = await model.bytes(options);
    const { logProb, perByte, bitsPerByte } = await bytes.score(text, { prefix });
    await bytes.dispose();
    return { logProb, perByte: [...perByte], bitsPerByte };
  },

  /** Generates bytes, and checks on the way that the pieces add up to the result. */
  async generateBytes(prompt, options, combine) {
    const bytes = combine ? await lexigraft.ensemble([model, model], { combine }) : await model.bytes();
    const generation = bytes.generate(prompt, options);
    let text = "";
    for await (const piece of generation) text += piece.text;
    const { text: whole, reason, evaluations, tokens } = await generation.result;
    if (text !== whole) throw new Error(`the pieces gave ${JSON.stringify(text)}`);
    await bytes.dispose();
    return { text, reason, evaluations, tokens };
  },

  generateBytesFailure: (prompt, options) =>
    failure(async () => {
      const bytes = await model.bytes();
      try {
        await bytes.generate(prompt, options).result;
      } finally {
        await bytes.dispose();
      }
    }),

  /** Aborts a byte generation after some pieces. */
  async generateBytesAborted(prompt, after) {
    const bytes = await model.bytes();
    const abort = new AbortController();
    const generation = bytes.generate(prompt, { temperature: 0, signal: abort.signal });
    let pieces = 0;
    const failed = await failure(async () => {
      for await (const _ of generation) {
        pieces += 1;
        if (pieces === after) abort.abort();
      }
    });
    const { reason } = await generation.result;
    await bytes.dispose();
    return { failed, reason };
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

  /** Loads a vision model in place of the last one. */
  async loadVision(url, options = {}) {
    await vision?.dispose();
    vision = undefined;
    vision = await lexigraft.vision(url, options);
    return { ...vision.info };
  },

  loadVisionFailure: (url, options = {}) =>
    failure(async () => (await lexigraft.vision(url, options)).dispose()),

  see: async (picture, options) => plainSeen(await vision.see(await pictureOf(picture), options)),

  seeFailure: (picture, options) => failure(async () => vision.see(await pictureOf(picture), options)),

  /** Aborts after some blocks; tells after which, and what failed. */
  async seeAborted(picture, options, after) {
    const abort = new AbortController();
    let blocks = 0;
    const onProgress = ({ done }) => {
      blocks = done;
      if (done === after) abort.abort();
    };
    const source = await pictureOf(picture);
    const failed = await failure(() => vision.see(source, { ...options, signal: abort.signal, onProgress }));
    return { failed, blocks };
  },

  async seeAfterDispose() {
    const old = vision;
    vision = undefined;
    await old.dispose();
    return failure(() => old.see(new ImageData(2, 2)));
  },

  cacheList: () => lexigraft.cache.list(),
  cacheClear: () => lexigraft.cache.clear(),
  cacheUsage: () => lexigraft.cache.usage(),
  cacheDelete: (url) => lexigraft.cache.delete(url),

  /** Begins a load and does not wait for its end; resolves once so many bytes are here. */
  loadUntil: (url, bytes) =>
    new Promise((resolve, reject) => {
      const onProgress = ({ phase, loaded }) => {
        if (phase === "download" && loaded >= bytes) resolve(loaded);
      };
      lexigraft.languageModel(url, { onProgress }).catch(reject);
    }),

  /** Names of the files in the cache's folder, whatever they are. */
  async cacheFiles() {
    const root = await navigator.storage.getDirectory();
    const names = [];
    for await (const name of (await root.getDirectoryHandle("lexigraft", { create: true })).keys()) {
      names.push(name);
    }
    return names;
  },

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
    vision = undefined;
  },
};
