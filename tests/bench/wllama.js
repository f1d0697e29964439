// The peer's side of the measurement: llama.cpp compiled to WebAssembly.
import { Wllama } from "/node_modules/@wllama/wllama/esm/index.js";

let wllama;

async function begin(blob, { threads, contextLength }) {
  const wasm = new URL("/node_modules/@wllama/wllama/esm/wasm/wllama.wasm", location.href).href;
  wllama = new Wllama({ default: wasm }, { suppressNativeLog: true });
  await wllama.loadModel([blob], { n_ctx: contextLength, n_threads: threads, n_gpu_layers: 0 });
}

window.contestant = {
  async load({ url, threads, contextLength }) {
    const blob = await (await fetch(url)).blob();
    const start = performance.now();
    await begin(blob, { threads, contextLength });
    return {
      loadMs: performance.now() - start,
      threads: wllama.getNumThreads(),
      multithread: wllama.isMultithread(),
      version: Wllama.getLibllamaVersion(),
    };
  },

  /** The browser's own cache is warm after this. */
  keep: async ({ url }) => {
    await (await fetch(url)).blob();
  },

  /** Milliseconds from nothing but the file's bytes to the first token of an answer. */
  async firstToken({ url, threads, contextLength }, content) {
    const blob = await (await fetch(url)).blob();
    const start = performance.now();
    await begin(blob, { threads, contextLength });
    await this.chat(content, 1);
    return performance.now() - start;
  },

  async chat(content, maxTokens) {
    const start = performance.now();
    const chunks = await wllama.createChatCompletion({
      messages: [{ role: "user", content }],
      max_tokens: maxTokens,
      temperature: 0,
      stream: true,
      // Otherwise the second round would find its prompt already read.
      cache_prompt: false,
    });
    let [first, last, text, timings] = [0, 0, "", undefined];
    for await (const chunk of chunks) {
      const piece = chunk.choices?.[0]?.delta?.content;
      timings = chunk.timings ?? timings;
      if (!piece) continue;
      last = performance.now();
      first ||= last;
      text += piece;
    }
    const tokens = timings?.predicted_n ?? 0;
    return {
      promptTokens: timings?.prompt_n,
      tokens,
      firstTokenMs: first - start,
      tokensPerSecond: ((tokens - 1) * 1000) / (last - first),
      text,
      timings,
    };
  },
};
