import { createHash } from "node:crypto";
import type { Channel } from "../../src/channel.js";
import { EngineClient } from "../../src/client.js";
import { EngineHost } from "../../src/engine-host.js";
import type { CompiledConstraint, ConstraintText, GrammarModule } from "../../src/grammar-module.js";
import type { HostMessage } from "../../src/protocol.js";
import type { DeviceKind } from "../../src/types.js";
import type {
  WasmByteConstraint,
  WasmByteModel,
  WasmEngine,
  WasmGenerateOptions,
  WasmGeneration,
  WasmLanguageModel,
  WasmModule,
  WasmPhases,
  WasmSha256,
  WasmStep,
  WasmTokenizer,
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

  segment(text: string) {
    return segmentChars(text);
  }

  /** The grafts that were made of it, and how many batches of rows each takes. */
  readonly grafts: FakeModel[] = [];
  graftBatches = 3;
  graftedFrom:
    | { tokenizer: WasmTokenizer; method: string; hypernetwork: Blob | undefined; lossy: boolean }
    | undefined;

  async graft(
    tokenizer: WasmTokenizer,
    method: string,
    hypernetwork: Blob | undefined,
    lossy: boolean,
    onProgress: WasmPhases,
  ): Promise<FakeModel> {
    if (method === "magic") throw engineError("invalid-argument", "there is no method magic");
    for (let done = 0; done <= this.graftBatches; done += 1) {
      if (!(await onProgress("rows", done, this.graftBatches))) throw engineError("aborted", "stopped");
    }
    const made = new FakeModel(this.words);
    made.graftedFrom = { tokenizer, method, hypernetwork, lossy };
    this.grafts.push(made);
    return made;
  }

  graftReport() {
    if (this.graftedFrom === undefined) return null;
    const { method, tokenizer } = this.graftedFrom;
    return { method, tokens: tokenizer.vocabSize(), shared: 1, special: 0, made: 2 };
  }

  async export(format: string, onProgress: WasmPhases): Promise<[string, Blob][]> {
    if (this.graftedFrom === undefined) throw engineError("invalid-argument", "no graft");
    for (let done = 1; done <= 3; done += 1) {
      await new Promise((resolve) => setTimeout(resolve, 1));
      if (!(await onProgress("write", done, 3))) throw engineError("aborted", "stopped");
    }
    return [[`model.${format}`, new Blob(["bytes"])]];
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

  /** The byte models that were made, and what each says. */
  readonly byteModels: FakeByteModel[] = [];
  byteAnswer = "";

  byteModel({ estimand = "canonical" }: { estimand?: string }): FakeByteModel {
    const made = new FakeByteModel(estimand, this.byteAnswer);
    this.byteModels.push(made);
    return made;
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

function segmentChars(text: string) {
  const bytes = new TextEncoder().encode(text);
  return { ids: Uint32Array.from(bytes), ends: Uint32Array.from(bytes, (_, index) => index + 1) };
}

/** A tokenizer of bytes. */
export class FakeTokenizer implements WasmTokenizer {
  static living = 0;

  constructor(private readonly json: string) {
    FakeTokenizer.living += 1;
  }

  vocabSize(): number {
    return this.json.length;
  }

  loss(): string | undefined {
    return this.json.includes("lower") ? "capital letters are lost" : undefined;
  }

  tokenize(text: string): Uint32Array {
    return segmentChars(text).ids;
  }

  detokenize(ids: Uint32Array): string {
    return new TextDecoder().decode(Uint8Array.from(ids));
  }

  tokenText(ids: Uint32Array): string[] {
    return Array.from(ids, (id) => String.fromCodePoint(id));
  }

  segment(text: string) {
    return segmentChars(text);
  }

  free(): void {
    FakeTokenizer.living -= 1;
  }
}

/** Lets one text through, and gives up at a byte if that is asked for. */
class FakeConstraint implements CompiledConstraint {
  freed = false;

  constructor(
    private readonly text: Uint8Array,
    private readonly givesUpAt: number,
    private at = 0,
  ) {}

  allowed(): Uint8Array {
    const mask = new Uint8Array(257);
    if (this.failure() === undefined) mask[this.text[this.at] ?? 256] = 1;
    return mask;
  }

  advance(byte: number): void {
    if (this.text[this.at] === byte) this.at += 1;
  }

  name() {
    return "the fake";
  }

  fork() {
    return new FakeConstraint(this.text, this.givesUpAt, this.at);
  }

  free(): void {
    this.freed = true;
  }

  failure() {
    return this.at >= this.givesUpAt ? "out of fuel" : undefined;
  }
}

/** Reads "text" as a grammar that lets that text through; "text!" gives up at its third byte. */
export class FakeGrammars implements GrammarModule {
  /** How often the module was fetched, and from where. */
  readonly fetched: (string | undefined)[] = [];
  readonly made: FakeConstraint[] = [];
  readonly texts: ConstraintText[] = [];

  async compile(constraint: ConstraintText): Promise<FakeConstraint> {
    this.texts.push(constraint);
    const { text } = constraint;
    if (text === "(") throw engineError("bad-constraint", "the grammar cannot be used");
    const givesUp = text.endsWith("!");
    const bytes = new TextEncoder().encode(givesUp ? text.slice(0, -1) : text);
    const made = new FakeConstraint(bytes, givesUp ? 2 : Number.POSITIVE_INFINITY);
    this.made.push(made);
    return made;
  }
}

/** A byte model that says what it is told to, byte by byte. */
export class FakeByteModel implements WasmByteModel {
  freed = false;
  working = false;

  constructor(
    readonly name: string,
    private readonly answer: string,
  ) {}

  async nextByte(prefix: Uint8Array, cover: number) {
    const logProbs = new Float32Array(257).fill(Number.NEGATIVE_INFINITY);
    logProbs[prefix.length] = 0;
    const way = {
      tokens: Uint32Array.of(1),
      pending: prefix.slice(-1),
      share: 1,
      nextIds: Uint32Array.from({ length: cover }, (_, id) => id),
      nextShares: Float64Array.from({ length: cover }, () => 1 / cover),
    };
    return { logProbs, evaluations: 1, tokens: 2, trunk: Uint32Array.of(9), cover: [way] };
  }

  async score(
    prefix: Uint8Array,
    text: Uint8Array,
    onProgress: (done: number, total: number) => Promise<boolean>,
  ) {
    for (let done = 1; done <= text.length; done += 1) {
      if (!(await onProgress(done, text.length))) throw engineError("aborted", "stopped");
    }
    return new Float32Array(text.length).fill(-1 - prefix.length);
  }

  async generate(
    _prompt: Uint8Array,
    { seed, maxBytes }: { seed: number; maxBytes: number },
    onBytes: (bytes: Uint8Array, logProb: number) => Promise<boolean>,
    constraints: WasmByteConstraint[],
  ) {
    if (!Array.isArray(constraints)) throw new Error("the engine takes a list of constraints");
    if (maxBytes < 1) throw engineError("invalid-argument", "max bytes must be at least 1");
    this.working = true;
    let evaluations = 0;
    let reason: "stop" | "constraint" | "aborted" = "stop";
    for (const byte of new TextEncoder().encode(this.answer)) {
      evaluations += 1;
      const masks = constraints.map((constraint) => constraint.allowed());
      if (!masks.every((mask) => mask[byte] === 1)) {
        this.working = false;
        if (!masks.every((mask) => mask[256] === 1)) {
          throw engineError("contradictory-constraints", `no byte is left at ${evaluations - 1}`);
        }
        reason = "constraint";
        break;
      }
      for (const constraint of constraints) constraint.advance(byte);
      if (await onBytes(Uint8Array.of(byte), -0.5)) continue;
      reason = "aborted";
      break;
    }
    this.working = false;
    return { reason, seed, evaluations, tokens: evaluations };
  }

  free(): void {
    if (this.working) throw new Error("freed while in use");
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
      embed: async (texts) => texts.map((text) => Float32Array.of(text.length)),
      tokenize: (text) => model.tokenize(text),
      free: () => undefined,
    }),
    loadVision: async () => {
      throw engineError("unsupported-architecture", "the fake engine sees nothing");
    },
    memory: () => ({ wasmBytes: 65536 }),
    free: () => undefined,
  };
  return {
    byteEnsemble: (models, combine, alpha) =>
      new FakeByteModel(`${combine} ${alpha} of ${models.length}`, `${combine} ${alpha} of ${models.length}`),
    checkPicture: () => undefined,
    default: async () => undefined,
    createEngine: async () => engine,
    Sha256: FakeSha256,
    readTokenizer: async (json) => {
      const text = await json.text();
      if (text === "{}") throw engineError("bad-tokenizer", "tokenizer.json has no 'model'");
      return new FakeTokenizer(text);
    },
  };
}

/** A client and a host with messages between them that are cloned, as a worker's are. */
export function connect(
  module: WasmModule,
  grammars?: FakeGrammars,
  adapter = "",
): { client: EngineClient; host: EngineHost } {
  const host = new EngineHost(
    (message: HostMessage) => {
      const copy = structuredClone(message);
      setImmediate(() => channel.onMessage(copy));
    },
    {
      loadModule: async () => module,
      probe: async () => ({ available: adapter !== "", software: false, adapter, problem: "none" }),
      threads: () => ({ count: 1, why: "" }),
      startHelpers: async () => undefined,
      moduleSize: () => ({ bytes: 100, encodedBytes: 30 }),
      ...(grammars && {
        loadGrammar: async (wasmUrl: string | undefined) => {
          grammars.fetched.push(wasmUrl);
          return grammars;
        },
      }),
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
