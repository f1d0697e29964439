import { createByteModel } from "./byte-model.js";
import { callUser, type EngineClient, requireText } from "./client.js";
import { asyncDispose } from "./dispose.js";
import { fillOptions, GenerationStream } from "./generation.js";
import { graftModel } from "./graft.js";
import type { Handle } from "./protocol.js";
import { release } from "./release.js";
import type {
  ByteModel,
  ByteModelOptions,
  ChatMessage,
  ExportOptions,
  GenerateOptions,
  Generation,
  GraftedModel,
  GraftOptions,
  GraftReport,
  LanguageModel,
  LanguageModelInfo,
  ScoreOptions,
  ScoreResult,
  Segmentation,
  Source,
  TokenIds,
  Tokenizer,
} from "./types.js";

/** A language model that lives in the engine; this is the page's end of it. */
export class LanguageModelClient implements LanguageModel {
  #disposing: Promise<void> | undefined;

  constructor(
    protected readonly client: EngineClient,
    /** For ensembles, which take several models. */
    readonly handle: Handle,
    readonly info: Readonly<LanguageModelInfo>,
    /** Where a graft keeps the files that it fetches; undefined for nowhere. */
    private readonly cacheName?: string,
  ) {}

  async tokenize(text: string, { addSpecial = true }: { addSpecial?: boolean } = {}): Promise<Uint32Array> {
    return this.client.call("tokenize", { handle: this.handle, text: requireText(text, "text"), addSpecial });
  }

  async detokenize(ids: TokenIds): Promise<string> {
    return this.client.call("detokenize", { handle: this.handle, ids: Uint32Array.from(ids) });
  }

  async tokenText(ids: TokenIds): Promise<string[]> {
    return this.client.call("tokenText", { handle: this.handle, ids: Uint32Array.from(ids) });
  }

  async segment(text: string): Promise<Segmentation> {
    return this.client.call("segment", { handle: this.handle, text: requireText(text, "text") });
  }

  async applyChatTemplate(
    messages: ChatMessage[],
    { addGenerationPrompt = true }: { addGenerationPrompt?: boolean } = {},
  ): Promise<string> {
    return this.client.call("applyChatTemplate", {
      handle: this.handle,
      messages: plainMessages(messages),
      addGenerationPrompt,
    });
  }

  generate(prompt: string, options: GenerateOptions = {}): Generation {
    return this.#generate(requireText(prompt, "prompt"), options);
  }

  chat(messages: ChatMessage[], options: GenerateOptions = {}): Generation {
    // The template writes the special tokens itself.
    return this.#generate(plainMessages(messages), { ...options, addSpecial: false });
  }

  async score(text: string, options: ScoreOptions = {}): Promise<ScoreResult> {
    const { signal, onProgress } = options;
    return this.client.call(
      "score",
      { handle: this.handle, text: requireText(text, "text") },
      { signal, onEvent: (progress) => callUser(onProgress, progress) },
    );
  }

  async logits(ids: TokenIds): Promise<Float32Array> {
    return this.client.call("logits", { handle: this.handle, ids: Uint32Array.from(ids) });
  }

  bytes(options: ByteModelOptions = {}): Promise<ByteModel> {
    return createByteModel(this.client, [this.handle], options);
  }

  async graft(tokenizer: Source | Tokenizer, options: GraftOptions = {}): Promise<GraftedModel> {
    const made = await graftModel(this.client, this.handle, tokenizer, options, this.cacheName);
    return new GraftedModelClient(this.client, made.handle, made.info, this.cacheName, made.report);
  }

  dispose(): Promise<void> {
    this.#disposing ??= release(this.client, this.handle);
    return this.#disposing;
  }

  [asyncDispose](): Promise<void> {
    return this.dispose();
  }

  #generate(prompt: string | ChatMessage[], options: GenerateOptions): Generation {
    return new GenerationStream(this.client, this.handle, prompt, fillOptions(options), options);
  }
}

/** A grafted model that lives in the engine; this is the page's end of it. */
class GraftedModelClient extends LanguageModelClient implements GraftedModel {
  constructor(
    client: EngineClient,
    handle: Handle,
    info: Readonly<LanguageModelInfo>,
    cacheName: string | undefined,
    readonly report: Readonly<GraftReport>,
  ) {
    super(client, handle, info, cacheName);
  }

  async export({ format = "gguf", signal, onProgress }: ExportOptions = {}): Promise<File[]> {
    const files = await this.client.call(
      "export",
      { handle: this.handle, format },
      { signal, onEvent: (progress) => callUser(onProgress, progress) },
    );
    // The browser has the bytes: a file of a blob is no copy.
    return files.map(({ name, content }) => new File([content], name));
  }
}

/** Pages keep more in their messages than the engine may see, some of it not clonable. */
function plainMessages(messages: readonly ChatMessage[]): ChatMessage[] {
  return messages.map(({ role, content }) => ({
    role: requireText(role, "role of a message"),
    content: requireText(content, "content of a message"),
  }));
}
