import { abortError, delay, throwIfAborted, yieldToEventLoop } from "./abort.js";
import { watchDevices } from "./device-loss.js";
import { type EngineEnvironment, type StartedEngine, startEngine } from "./engine.js";
import { isTrap, LexigraftError, memoryRanOut, toLexigraftError, toRecord } from "./errors.js";
import { Constraints } from "./host-constraints.js";
import { embedAll } from "./host-embed.js";
import { type Fetcher, fetchAll, fileGetter } from "./host-files.js";
import { exportModel, graftParts, runGraft } from "./host-graft.js";
import { JobQueue } from "./job-queue.js";
import { readPixels } from "./picture.js";
import { ProgressThrottle } from "./progress.js";
import {
  type ClientMessage,
  type Event,
  type GenerateEnd,
  type Handle,
  type HostMessage,
  type MethodName,
  type Params,
  type Result,
  transferables,
} from "./protocol.js";
import type {
  WasmByteModel,
  WasmEncoder,
  WasmGeneration,
  WasmLanguageModel,
  WasmStep,
  WasmTokenizer,
  WasmVision,
} from "./wasm-module.js";

interface Context<M extends MethodName> {
  signal: AbortSignal;
  emit: (event: Event<M>) => void;
}

type Handlers = { [M in MethodName]: (params: Params<M>, context: Context<M>) => Promise<Result<M>> };

type Slot = { queue: JobQueue } & (
  | { kind: "language"; model: WasmLanguageModel }
  | { kind: "encoder"; model: WasmEncoder }
  | { kind: "bytes"; model: WasmByteModel }
  | { kind: "tokenizer"; model: WasmTokenizer }
  | { kind: "vision"; model: WasmVision }
);

/** How long after a trap a device's loss may still be told. */
const LOSS_MS = 500;

/** Runs the engine and answers the page's calls. The same code serves in a worker and in the page. */
export class EngineHost {
  #started: StartedEngine | undefined;
  #broken: LexigraftError | undefined;
  #break: (error: LexigraftError) => void = () => undefined;
  readonly #breaking = new Promise<never>((_, reject) => {
    this.#break = reject;
  });
  #hub: string | undefined;
  #lastHandle = 0;
  readonly #slots = new Map<Handle, Slot>();
  readonly #calls = new Map<number, AbortController>();
  readonly #answers = new Set<Promise<void>>();
  readonly #constraints: Constraints;

  constructor(
    private readonly post: (message: HostMessage, transfer: Transferable[]) => void,
    private readonly environment: EngineEnvironment,
  ) {
    this.#constraints = new Constraints(environment);
    // Nobody may be waiting for it.
    this.#breaking.catch(() => undefined);
  }

  receive(message: ClientMessage): void {
    if (message.type === "cancel") this.#calls.get(message.id)?.abort();
    else {
      const answer = this.#answer(message.id, message.method, message.params);
      this.#answers.add(answer);
      void answer.then(() => this.#answers.delete(answer));
    }
  }

  /** Says that the engine cannot be used any more. Calls it works on fail, since they might never end. */
  abandon(error: LexigraftError): void {
    this.#broken ??= error;
    this.#break(this.#broken);
  }

  /** Cancels everything, waits for it, and frees the engine. */
  async dispose(): Promise<void> {
    const reason = new LexigraftError("disposed", "This Lexigraft was disposed.");
    for (const call of this.#calls.values()) call.abort(reason);
    if (this.#broken !== undefined) return;
    await Promise.all(this.#answers);
    await Promise.all([...this.#slots.keys()].map((handle) => this.#release(handle)));
    const engine = this.#started?.engine;
    this.#started = undefined;
    engine?.free();
  }

  async #answer<M extends MethodName>(id: number, method: M, params: Params<M>): Promise<void> {
    const controller = new AbortController();
    const { signal } = controller;
    this.#calls.set(id, controller);
    const emit = (event: Event<M>) => this.post({ type: "event", id, event: event as Event<MethodName> }, []);
    try {
      if (this.#broken !== undefined && method !== "release") throw this.#broken;
      const handler: Handlers[M] = this.#handlers[method];
      const value = await Promise.race([handler(params, { signal, emit }), this.#breaking]);
      this.post({ type: "result", id, value }, transferables(value));
    } catch (thrown) {
      const error = signal.aborted && !isTrap(thrown) ? abortError(signal) : await this.#reason(thrown);
      this.post({ type: "error", id, error: toRecord(error) }, []);
    } finally {
      this.#calls.delete(id);
    }
  }

  /** Why a call failed. What leaves the engine unusable is remembered. */
  async #reason(thrown: unknown): Promise<LexigraftError> {
    const error = toLexigraftError(thrown);
    if (!isTrap(thrown) && error.code !== "device-lost") return error;
    // Under a device that goes the engine may fall over before the browser says that it is gone.
    if (isTrap(thrown) && this.#started?.device.kind === "webgpu") {
      await Promise.race([this.#breaking.catch(() => undefined), delay(LOSS_MS)]);
    }
    this.#broken ??= this.outOfMemory() ?? error;
    return this.#broken;
  }

  /** That memory ran out, where this is why the engine trapped. */
  outOfMemory(): LexigraftError | undefined {
    const bytes = this.#started?.module.failedAllocation?.() ?? 0;
    return bytes > 0 ? memoryRanOut(bytes) : undefined;
  }

  readonly #handlers: Handlers = {
    create: async (params, { signal }) => {
      if (this.#started !== undefined) throw new LexigraftError("internal", "The engine was started twice.");
      this.#hub = params.hub;
      this.#started = await watchDevices(
        () => startEngine(this.environment, params, signal),
        (error) => this.abandon(error),
      );
      this.#constraints.wasmUrl = params.wasmUrl.grammar;
      return this.#started.device;
    },
    memory: async () => {
      const memory = this.#engine().engine.memory();
      const module = this.environment.moduleSize?.();
      return { ...memory, ...(module === undefined ? {} : { module }) };
    },
    loadLanguageModel: async (params, context) => {
      const { tokenizer, config, contextLength } = params;
      const files = await fetchAll(
        this.#fetcher(params.cache, params.whenFull),
        params,
        { tokenizer, config },
        context,
      );
      const options = {
        ...(files.tokenizer ? { tokenizer: files.tokenizer } : {}),
        ...(files.config ? { config: files.config } : {}),
        ...(contextLength === undefined ? {} : { contextLength }),
      };
      const model = await this.#engine().engine.loadLanguageModel(files.weights, options, files.onLoad);
      return {
        handle: this.#add({ kind: "language", model, queue: new JobQueue() }, context),
        info: model.info(),
      };
    },
    loadEncoder: async (params, context) => {
      const { tokenizer, config } = params;
      const files = await fetchAll(
        this.#fetcher(params.cache, params.whenFull),
        params,
        { tokenizer, config },
        context,
      );
      if (files.tokenizer === undefined || files.config === undefined) {
        throw new LexigraftError("invalid-argument", "An encoder needs weights, tokenizer and config.");
      }
      const options = { tokenizer: files.tokenizer, config: files.config };
      const model = await this.#engine().engine.loadEncoder(files.weights, options, files.onLoad);
      return {
        handle: this.#add({ kind: "encoder", model, queue: new JobQueue() }, context),
        info: model.info(),
      };
    },
    loadVision: async (params, context) => {
      const files = await fetchAll(this.#fetcher(params.cache, params.whenFull), params, {}, context);
      const model = await this.#engine().engine.loadVision(files.weights, files.onLoad);
      return {
        handle: this.#add({ kind: "vision", model, queue: new JobQueue() }, context),
        info: model.info(),
      };
    },
    release: async ({ handle }) => {
      await this.#release(handle);
      return null;
    },
    loadTokenizer: async ({ source, cache }, context) => {
      const get = fileGetter(this.#fetcher(cache), new ProgressThrottle(), context);
      const { blob } = await get("tokenizer", source);
      const model = await this.#engine().module.readTokenizer(blob);
      const info = { vocabSize: model.vocabSize(), loss: model.loss() };
      return { handle: this.#add({ kind: "tokenizer", model, queue: new JobQueue() }, context), info };
    },
    tokenize: async ({ handle, text, addSpecial }) => this.#tokens(handle).tokenize(text, addSpecial),
    detokenize: async ({ handle, ids }) => this.#tokens(handle).detokenize(ids),
    tokenText: async ({ handle, ids }) => this.#tokens(handle).tokenText(ids),
    segment: async ({ handle, text }) => this.#tokens(handle).segment(text),
    graft: async (params, context) => {
      const { model, queue } = this.#language(params.handle);
      const find = (handle: Handle) => this.#tokenizer(handle);
      const { module } = this.#engine();
      const parts = await graftParts(params, this.#fetcher(params.cache), find, module, context);
      const made = queue.run(context.signal, (running) => runGraft(model, parts, running, context));
      const grafted = await made.finally(parts.free);
      const report = grafted.graftReport();
      if (!report) throw new LexigraftError("internal", "The engine gave back a model that is no graft.");
      const slot: Slot = { kind: "language", model: grafted, queue: new JobQueue() };
      return { handle: this.#add(slot, context), info: grafted.info(), report };
    },
    export: async ({ handle, format }, { signal, emit }) => {
      const { model, queue } = this.#language(handle);
      return queue.run(signal, (running) => exportModel(model, format, running, emit));
    },
    applyChatTemplate: async ({ handle, messages, addGenerationPrompt }) =>
      this.#language(handle).model.applyChatTemplate(messages, addGenerationPrompt),
    generate: async ({ handle, prompt, options }, { signal, emit }) => {
      const { model, queue } = this.#language(handle);
      return queue.generation(signal, async (running) => {
        const text = typeof prompt === "string" ? prompt : model.applyChatTemplate(prompt, true);
        return runGeneration(model.generate(text, options), running, emit, () =>
          model.tokenize(text, options.addSpecial),
        );
      });
    },
    score: async ({ handle, text }, { signal, emit }) => {
      const { model, queue } = this.#language(handle);
      const throttle = new ProgressThrottle();
      return queue.run(signal, (running) =>
        model.score(text, async (done, total) => {
          if (throttle.due("score", done === total)) emit({ done, total });
          // A cancel message is only read between two tasks.
          await yieldToEventLoop();
          return !running.aborted;
        }),
      );
    },
    logits: async ({ handle, ids }, { signal }) => {
      const { model, queue } = this.#language(handle);
      return queue.run(signal, () => model.logits(ids));
    },
    byteModel: async ({ models, options, combine, alpha }, context) => {
      const parts = models.map((handle) => this.#language(handle).model.byteModel(options));
      const [first, ...others] = parts;
      if (first === undefined) throw new LexigraftError("invalid-argument", "An ensemble needs a model.");
      const alone = others.length === 0 && combine !== "proxy";
      const model = alone ? first : this.#engine().module.byteEnsemble(parts, combine, alpha);
      return { handle: this.#add({ kind: "bytes", model, queue: new JobQueue() }, context) };
    },
    nextByte: async ({ handle, prefix, cover }, { signal }) => {
      const { model, queue } = this.#bytes(handle);
      return queue.run(signal, () => model.nextByte(prefix, cover));
    },
    scoreBytes: async ({ handle, prefix, text }, { signal, emit }) => {
      const { model, queue } = this.#bytes(handle);
      const throttle = new ProgressThrottle();
      return queue.run(signal, (running) =>
        model.score(prefix, text, async (done, total) => {
          if (throttle.due("score", done === total)) emit({ done, total });
          await yieldToEventLoop();
          return !running.aborted;
        }),
      );
    },
    generateBytes: async ({ handle, prompt, options, constraints }, { signal, emit }) => {
      const { model, queue } = this.#bytes(handle);
      return queue.run(signal, (running) => {
        const onBytes = async (bytes: Uint8Array, logProb: number) => {
          emit({ bytes, logProb });
          await yieldToEventLoop();
          return !running.aborted;
        };
        return this.#constraints.under(constraints, running, (compiled) =>
          model.generate(prompt, options, onBytes, compiled),
        );
      });
    },
    embed: async ({ handle, texts }, { signal }) => {
      const { model, queue } = this.#encoder(handle);
      return queue.run(signal, (running) => embedAll(model, texts, running));
    },
    tokenizeForEncoder: async ({ handle, text }) => this.#encoder(handle).model.tokenize(text),
    see: async ({ handle, picture, options }, { signal, emit }) => {
      const { model, queue } = this.#vision(handle);
      const { module } = this.#engine();
      return queue.run(signal, async (running) => {
        const onProgress = async (done: number, total: number) => {
          emit({ done, total });
          // A cancel message is only read between two tasks.
          await yieldToEventLoop();
          return !running.aborted;
        };
        if (picture.kind === "values") {
          const { values, width, height } = picture;
          return model.seeValues(values, width, height, options, onProgress);
        }
        const { data, width, height } = await readPixels(picture, options.crop === "center", {
          check: (bytes) => module.checkPicture(bytes),
          signal: running,
          ...(this.environment.fetch ? { fetch: this.environment.fetch } : {}),
        });
        throwIfAborted(running);
        return model.see(data, width, height, options, onProgress);
      });
    },
  };

  #engine(): StartedEngine {
    if (this.#started === undefined) throw new LexigraftError("disposed", "The engine is not running.");
    return this.#started;
  }

  #slot(handle: Handle): Slot {
    const slot = this.#slots.get(handle);
    if (slot === undefined) throw new LexigraftError("disposed", "The model was disposed.");
    return slot;
  }

  #language(handle: Handle) {
    const slot = this.#slot(handle);
    if (slot.kind !== "language") throw new LexigraftError("internal", "This model is not a language model.");
    return slot;
  }

  #tokenizer(handle: Handle): WasmTokenizer {
    const slot = this.#slot(handle);
    if (slot.kind !== "tokenizer") throw new LexigraftError("internal", "This is no tokenizer.");
    return slot.model;
  }

  /** Whatever has a tokenizer, for what is asked of that alone. */
  #tokens(handle: Handle): WasmLanguageModel | WasmTokenizer {
    const slot = this.#slot(handle);
    if (slot.kind === "language" || slot.kind === "tokenizer") return slot.model;
    throw new LexigraftError("internal", "This model has no tokenizer to ask.");
  }

  #bytes(handle: Handle) {
    const slot = this.#slot(handle);
    if (slot.kind !== "bytes") throw new LexigraftError("internal", "This model is not a byte model.");
    return slot;
  }

  #encoder(handle: Handle) {
    const slot = this.#slot(handle);
    if (slot.kind !== "encoder") throw new LexigraftError("internal", "This model is not an encoder.");
    return slot;
  }

  #vision(handle: Handle) {
    const slot = this.#slot(handle);
    if (slot.kind !== "vision") throw new LexigraftError("internal", "This model is not a vision model.");
    return slot;
  }

  #add(slot: Slot, { signal }: { signal: AbortSignal }): Handle {
    if (signal.aborted) slot.model.free();
    throwIfAborted(signal);
    this.#lastHandle += 1;
    this.#slots.set(this.#lastHandle, slot);
    return this.#lastHandle;
  }

  async #release(handle: Handle): Promise<void> {
    const slot = this.#slots.get(handle);
    if (slot === undefined) return;
    this.#slots.delete(handle);
    // What a broken engine works on may never end, and its memory cannot be trusted, not even to free it.
    if (this.#broken !== undefined) return;
    await slot.queue.close();
    if (this.#broken === undefined) slot.model.free();
  }

  /** Gets files for a call. */
  #fetcher(cache: string | undefined, whenFull?: "memory" | "fail"): Fetcher {
    const { module } = this.#engine();
    const { fetch, openFile } = this.environment;
    const newSha256 = () => new module.Sha256();
    return { cache, hub: this.#hub, whenFull, newSha256, fetch, openFile };
  }
}

/** Drives a generation to its end. A cancelled one ends normally, with reason `aborted`. */
async function runGeneration(
  generation: WasmGeneration,
  signal: AbortSignal,
  emit: (event: Event<"generate">) => void,
  promptIds: () => Uint32Array,
): Promise<GenerateEnd> {
  let first: number | undefined;
  let last = 0;
  let trapped = false;
  try {
    while (!signal.aborted) {
      const step: WasmStep = await generation.next();
      if (step.kind === "end") {
        return {
          reason: step.reason,
          text: step.text,
          ids: step.ids,
          promptIds: step.promptIds,
          decodeMs: last - (first ?? last),
        };
      }
      if (step.kind === "prefill") emit({ type: "prefill", done: step.done, total: step.total });
      else {
        last = performance.now();
        first ??= last;
        const { text, id, logProb } = step;
        emit({ type: "piece", text, id, ...(logProb === undefined ? {} : { logProb }) });
      }
      // Without this a cancel message would wait until the generation has ended by itself.
      await yieldToEventLoop();
    }
    return { reason: "aborted", text: "", promptIds: promptIds(), decodeMs: last - (first ?? last) };
  } catch (error) {
    trapped = isTrap(error);
    throw error;
  } finally {
    if (!trapped) generation.free();
  }
}
