// The peer's side of the measurement: llama.cpp compiled to WebAssembly.
import { Wllama } from "/node_modules/@wllama/wllama/esm/index.js";

let wllama;

window.contestant = {
  async load({ url, threads, contextLength }) {
    const wasm = new URL("/node_modules/@wllama/wllama/esm/wasm/wllama.wasm", location.href).href;
    wllama = new Wllama({ default: wasm }, { suppressNativeLog: true });
    const blob = await (await fetch(url)).blob();
    const start = performance.now();
    await wllama.loadModel([blob], { n_ctx: contextLength, n_threads: threads, n_gpu_layers: 0 });
    return {
      loadMs: performance.now() - start,
      threads: wllama.getNumThreads(),
      multithread: wllama.isMultithread(),
      version: Wllama.getLibllamaVersion(),
    };
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
