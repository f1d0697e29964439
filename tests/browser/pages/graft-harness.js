// The page's side of the graft tests; see harness.js.

/** What a tokenizer says of a text, with the bytes of each token checked against the whole. */
async function segmented(tokenizer, text) {
  const { ids, ends } = await tokenizer.segment(text);
  const bytes = new TextEncoder().encode(text);
  const pieces = [...ends].map((end, index) => {
    const piece = bytes.subarray(index === 0 ? 0 : ends[index - 1], end);
    return new TextDecoder().decode(piece);
  });
  return { ids: [...ids], ends: [...ends], pieces };
}

/** The longest time between two of these moments, in milliseconds. */
const longestGap = (times) => Math.max(...times.slice(1).map((time, index) => time - times[index]), 0);

/** `state` gives the engine and the model of harness.js, `failure` what an operation failed with. */
export function graftCalls(state, failure) {
  let grafted;
  let tokenizer;

  /** Longest main-thread tasks of 50 ms and more while `work` runs. */
  async function watched(work) {
    let longest = 0;
    const observer = new PerformanceObserver((list) => {
      for (const { duration } of list.getEntries()) longest = Math.max(longest, duration);
    });
    observer.observe({ entryTypes: ["longtask"] });
    try {
      return { value: await work(), longestTask: () => longest };
    } finally {
      observer.disconnect();
    }
  }

  return {
    async loadTokenizer(source) {
      await tokenizer?.dispose();
      tokenizer = await state().lexigraft.tokenizer(source);
      return { ...tokenizer.info };
    },

    tokenizerFailure: (text) =>
      failure(async () => (await state().lexigraft.tokenizer(new Blob([text]))).dispose()),

    segment: (text) => segmented(tokenizer, text),
    segmentModel: (text) => segmented(state().model, text),
    segmentGrafted: (text) => segmented(grafted, text),

    /** Grafts in place of the last graft; tells how long it took and what the progress told. */
    async graft(source, options = {}) {
      await grafted?.dispose();
      grafted = undefined;
      const { lexigraft, model } = state();
      const began = performance.now();
      const times = [began];
      const phases = {};
      const onProgress = ({ phase, done, total }) => {
        times.push(performance.now());
        phases[phase] = { ...(phases[phase] ?? { at: performance.now() - began }), done, total };
      };
      const { value, longestTask } = await watched(() =>
        model.graft(source === "loaded" ? tokenizer : source, { ...options, onProgress }),
      );
      grafted = value;
      const seconds = (performance.now() - began) / 1000;
      times.push(performance.now());
      const gap = longestGap(times);
      const memory = await lexigraft.memory();
      const { info, report } = grafted;
      return {
        info: { ...info },
        report: { ...report },
        seconds,
        gap,
        events: times.length - 2,
        phases,
        memory,
        longestTask: longestTask(),
      };
    },

    /** The same with the text of a tokenizer.json. */
    graftText(text, options) {
      return this.graft(new Blob([text]), options);
    },

    graftFailure: (source, options = {}) =>
      failure(async () => (await state().model.graft(source, options)).dispose()),

    graftTextFailure: (text, options = {}) =>
      failure(async () => (await state().model.graft(new Blob([text]), options)).dispose()),

    /** With a hypernetwork in hand. */
    graftWithBytesFailure: (source, base64) =>
      failure(async () => {
        const hypernetwork = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
        await (await state().model.graft(source, { method: "hypernetwork", hypernetwork })).dispose();
      }),

    /** Aborts a graft when a phase has come this far; tells how long it took to end. */
    async graftAborted(source, options, phase, from) {
      const abort = new AbortController();
      let abortedAt = 0;
      const onProgress = (progress) => {
        if (progress.phase !== phase || progress.done < from || abortedAt > 0) return;
        abortedAt = performance.now();
        abort.abort();
      };
      const { model } = state();
      const failed = await failure(() =>
        model.graft(source, { ...options, signal: abort.signal, onProgress }),
      );
      // The model answers again when the graft has ended in the worker.
      await model.logits([1]);
      return { failed, milliseconds: performance.now() - abortedAt };
    },

    async scoreGrafted(text) {
      const { bitsPerByte, tokens, bytes } = await grafted.score(text);
      return { bitsPerByte, tokens, bytes };
    },

    async generateGrafted(prompt, options) {
      const { text, ids, promptIds, reason } = await grafted.generate(prompt, options).result;
      return { text, ids: [...ids], read: promptIds.length, reason };
    },

    async chatGrafted(messages, options) {
      return (await grafted.chat(messages, options).result).text;
    },

    /** Bytes of the graft alone, and of it with the model that it was made of. */
    async bytesGrafted(prompt, options) {
      const { lexigraft, model } = state();
      const said = {};
      for (const [name, bytes] of [
        ["alone", await grafted.bytes()],
        ["both", await lexigraft.ensemble([model, grafted])],
      ]) {
        said[name] = (await bytes.generate(prompt, options).result).text;
        await bytes.dispose();
      }
      return said;
    },

    graftAgainFailure: (source) => failure(() => grafted.graft(source)),
    exportFailure: (options) => failure(() => grafted.export(options)),

    /** The files of an export: names, sizes, first bytes. With `load`, the first is loaded again and writes. */
    async exported(options, load) {
      const told = [];
      const onProgress = ({ done, total }) => told.push(done / total);
      const files = await grafted.export({ ...options, onProgress });
      const listed = [];
      for (const file of files) {
        const first = new Uint8Array(await file.slice(0, 4).arrayBuffer());
        listed.push({ name: file.name, size: file.size, first: String.fromCharCode(...first) });
      }
      let text;
      if (load) {
        const [weights, config, , tokenizerFile] = files;
        const again = await state().lexigraft.languageModel(
          weights,
          files.length > 1 ? { config, tokenizer: tokenizerFile } : {},
        );
        text = (await again.generate(load.prompt, load.options).result).text;
        await again.dispose();
      }
      return { files: listed, told: told.at(-1), text };
    },

    /** The exported GGUF stays in the page for another runtime. */
    async keepExported() {
      const [file] = await grafted.export({ format: "gguf" });
      window.exportedModel = file;
      return file.size;
    },

    /** What wllama writes after prompts with the exported model, and how many tokens it read. */
    async writeInWllama(prompts, maxTokens) {
      const { Wllama } = await import("/node_modules/@wllama/wllama/esm/index.js");
      const wasm = new URL("/node_modules/@wllama/wllama/esm/wasm/wllama.wasm", location.href).href;
      const wllama = new Wllama({ default: wasm }, { suppressNativeLog: true });
      await wllama.loadModel([window.exportedModel], { n_ctx: 256, n_threads: 1, n_gpu_layers: 0 });
      const said = [];
      for (const prompt of prompts) {
        const answer = await wllama.createCompletion({ prompt, max_tokens: maxTokens, temperature: 0 });
        said.push({ text: answer.choices[0].text, read: answer.usage.prompt_tokens });
      }
      await wllama.exit();
      return said;
    },

    async disposeModelBeforeGraft(prompt, options) {
      const { model } = state();
      await model.dispose();
      return (await grafted.generate(prompt, options).result).text;
    },

    async disposeGraft() {
      await grafted?.dispose();
      grafted = undefined;
      return (await state().lexigraft.memory()).wasmBytes;
    },
  };
}
