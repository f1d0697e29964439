import { createHash } from "node:crypto";
import type { Channel } from "../../src/channel.js";
import { EngineClient } from "../../src/client.js";
import { EngineHost } from "../../src/engine-host.js";
import type { HostMessage } from "../../src/protocol.js";
import type { DeviceKind } from "../../src/types.js";
import type {
  WasmEngine,
  WasmGenerateOptions,
  WasmGeneration,
  WasmLanguageModel,
  WasmModule,
  WasmSha256,
  WasmStep,
} from "../../src/wasm-module.js";

export class FakeSha256 implements WasmSha256 {
  static living = 0;
  readonly #hash = createHash("sha256");

  constructor() {
    FakeSha256.living += 1;
  }

  update(bytes: Uint8Array): void {
    this.#hash.update(bytes);
  }

  hex(): string {
    return this.#hash.digest("hex");
  }

  free(): void {
    FakeSha256.living -= 1;
  }
}

/** An error as the engine throws it: not an instance of our class. */
export function engineError(code: string, message: string): Error {
  return Object.assign(new Error(message), { name: "LexigraftError", code });
}

/** A model that writes the words it is told to, and checks that it is used as the real one must be. */
export class FakeModel implements WasmLanguageModel {
  generating = false;
  scoring = false;
  freed = false;
  generationsFreed = 0;
  lastOptions: WasmGenerateOptions | undefined;
  lastPrompt: string | undefined;
  /** Called before each step; a test may wait or throw here. */
  beforeStep: (step: number) => Promise<void> | void = () => undefined;

  constructor(
    private readonly words: string[],
    private readonly heldBack = "",
  ) {}

  info() {
    return {
      architecture: "fake",
      name: "fake",
      parameters: 1,
      layers: 1,
      hiddenSize: 1,
      vocabSize: 256,
      contextLength: 64,
      quantization: "F32",
      fileBytes: 1,
      residentBytes: 1,
      hasChatTemplate: true,
    };
  }

  tokenize(text: string): Uint32Array {
    return Uint32Array.from(new TextEncoder().encode(text));
  }

  detokenize(ids: Uint32Array): string {
    return new TextDecoder().decode(Uint8Array.from(ids));
  }

  tokenText(ids: Uint32Array): string[] {
    return Array.from(ids, (id) => String.fromCodePoint(id));
  }

  applyChatTemplate(messages: { role: string; content: string }[], addGenerationPrompt: boolean): string {
    return (
      messages.map((one) => `<${one.role}>${one.content}`).join("") + (addGenerationPrompt ? "<bot>" : "")
    );
  }

  generate(prompt: string, options: WasmGenerateOptions): WasmGeneration {
    if (this.generating || this.scoring) throw engineError("busy", "the model is in use");
    if (prompt.length > 64) throw engineError("prompt-too-long", "the prompt has more than 64 tokens");
    this.generating = true;
    this.lastOptions = options;
    this.lastPrompt = prompt;
    let step = -1;
    const next = async (): Promise<WasmStep> => {
      step += 1;
      await this.beforeStep(step);
      const promptIds = this.tokenize(prompt);
      if (step === 0) return { kind: "prefill", done: promptIds.length, total: promptIds.length };
      const text = this.words[step - 1];
      if (text !== undefined) {
        return { kind: "piece", text, id: 100 + step, ...(options.logProbs ? { logProb: -step } : {}) };
      }
      const ids = Uint32Array.from(this.words, (_, index) => 101 + index);
      return {
        kind: "end",
        reason: "stop-token",
        text: this.heldBack,
        promptIds,
        ids,
        prefillMs: 1,
        decodeMs: 1,
      };
    };
    return {
      next,
      free: () => {
        this.generating = false;
        this.generationsFreed += 1;
      },
    };
  }

  async logits(): Promise<Float32Array> {
    return Float32Array.of(1, 2, 3);
  }

  async score(text: string, onProgress: (done: number, total: number) => Promise<boolean>) {
    if (this.generating || this.scoring) throw engineError("busy", "the model is in use");
    this.scoring = true;
    try {
      for (let done = 1; done <= 3; done += 1) {
        await new Promise((resolve) => setTimeout(resolve, 2));
        if (!(await onProgress(done, 3))) throw engineError("aborted", "stopped");
      }
      return {
        bitsPerByte: text.length,
        tokens: 3,
        bytes: 3,
        tokenNll: new Float32Array(2),
        ids: new Uint32Array(3),
      };
    } finally {
      this.scoring = false;
    }
  }

  free(): void {
    if (this.generating || this.scoring) throw new Error("freed while in use");
    this.freed = true;
  }
}

export interface FakeEngineOptions {
  model?: FakeModel;
  kind?: DeviceKind;
  /** Replaces loading. */
  load?: WasmEngine["loadLanguageModel"];
}

export function fakeModule({
  model = new FakeModel(["a"]),
  kind = "cpu",
  load,
}: FakeEngineOptions = {}): WasmModule {
  const engine: WasmEngine = {
    info: () => ({ kind, adapter: `fake ${kind}`, selfTest: "passed" }),
    loadLanguageModel:
      load ??
      (async (weights, _options, onProgress) => {
        onProgress(weights.size, weights.size);
        return model;
      }),
    loadEncoder: async () => ({
      info: () => ({ ...model.info(), maxLength: 8 }),
      embed: async (text) => Float32Array.of(text.length),
      tokenize: (text) => model.tokenize(text),
      free: () => undefined,
    }),
    memory: () => ({ wasmBytes: 65536 }),
    free: () => undefined,
  };
  return { default: async () => undefined, createEngine: async () => engine, Sha256: FakeSha256 };
}

/** A client and a host with messages between them that are cloned, as a worker's are. */
export function connect(module: WasmModule): { client: EngineClient; host: EngineHost } {
  const host = new EngineHost(
    (message: HostMessage) => {
      const copy = structuredClone(message);
      setImmediate(() => channel.onMessage(copy));
    },
    {
      loadModule: async () => module,
      probe: async () => ({ available: false, software: false, adapter: "", problem: "none" }),
      threads: () => ({ count: 1, why: "" }),
      startHelpers: async () => undefined,
      moduleSize: () => ({ bytes: 100, encodedBytes: 30 }),
    },
  );
  const channel: Channel = {
    post: (message) => {
      const copy = structuredClone(message);
      setImmediate(() => host.receive(copy));
    },
    onMessage: () => undefined,
    onFailure: () => undefined,
    close: () => host.dispose(),
  };
  return { client: new EngineClient(channel), host };
}
