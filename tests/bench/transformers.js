// The peer's side of the encoder's measurement: ONNX Runtime compiled to WebAssembly, as
// transformers.js ships it.
import { env, pipeline } from "/peers/node_modules/@huggingface/transformers/dist/transformers.web.js";
import { timeEach } from "./time-each.js";

env.allowRemoteModels = false;
env.allowLocalModels = true;
env.localModelPath = "/peers/";
env.useBrowserCache = false;
env.backends.onnx.wasm.wasmPaths = new URL("/peers/node_modules/onnxruntime-web/dist/", location.href).href;

let extractor;

/** The package's own way to sentence embeddings: one padded batch, mean over the tokens, length 1. */
async function embed(texts) {
  return (await extractor(texts, { pooling: "mean", normalize: true })).tolist();
}

window.contestant = {
  async load({ model, device, threads }) {
    env.backends.onnx.wasm.numThreads = threads;
    const start = performance.now();
    extractor = await pipeline("feature-extraction", model, {
      device: device === "webgpu" ? "webgpu" : "wasm",
      dtype: "fp32",
    });
    return {
      loadMs: performance.now() - start,
      version: env.version,
      kind: device,
      // ONNX Runtime falls back to one thread where memory cannot be shared.
      threads: self.crossOriginIsolated ? threads : 1,
    };
  },

  embed,
  time: (texts, repeats) => timeEach(repeats, () => embed(texts)),
};
