import { createByteModel } from "./byte-model.js";
import { callUser, type EngineClient, requireText } from "./client.js";
import { asyncDispose } from "./dispose.js";
import { fillOptions, GenerationStream } from "./generation.js";
import type { Handle } from "./protocol.js";
import { release } from "./release.js";
import type {
  ByteModel,
  ByteModelOptions,
  ChatMessage,
  GenerateOptions,
  Generation,
  LanguageModel,
  LanguageModelInfo,
  ScoreOptions,
  ScoreResult,
  TokenIds,
} from "./types.js";

/** A language model that lives in the engine; this is the page's end of it. */
export class LanguageModelClient implements LanguageModel {
  #disposing: Promise<void> | undefined;

  constructor(
    private readonly client: EngineClient,
    /** For ensembles, which take several models. */
    readonly handle: Handle,
    readonly info: Readonly<LanguageModelInfo>,
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

/** Pages keep more in their messages than the engine may see, some of it not clonable. */
function plainMessages(messages: readonly ChatMessage[]): ChatMessage[] {
  return messages.map(({ role, content }) => ({
    role: requireText(role, "role of a message"),
    content: requireText(content, "content of a message"),
  }));
}
