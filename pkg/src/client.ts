import { abortable, throwIfAborted } from "./abort.js";
import type { Channel } from "./channel.js";
import { fromRecord, LexigraftError } from "./errors.js";
import type { ClientMessage, Event, HostMessage, MethodName, Params, Result } from "./protocol.js";

interface Pending {
  resolve: (value: never) => void;
  reject: (error: LexigraftError) => void;
  onEvent: ((event: never) => void) | undefined;
}

/** A call under way. */
export interface StartedCall<M extends MethodName> {
  result: Promise<Result<M>>;
  /** Asks the engine to stop; the result then settles in its own time, usually with `aborted`. */
  cancel(): void;
}

export interface CallOptions<M extends MethodName> {
  signal?: AbortSignal | undefined;
  onEvent?: ((event: Event<M>) => void) | undefined;
  /** Gets a result that arrives after the call was aborted, to give back what it holds. */
  onLate?: (value: Result<M>) => void;
}

/** The page's side of the protocol. */
export class EngineClient {
  #lastId = 0;
  #closed: LexigraftError | undefined;
  #closing: Promise<void> | undefined;
  readonly #pending = new Map<number, Pending>();

  constructor(private readonly channel: Channel) {
    channel.onMessage = (message) => this.#receive(message);
    channel.onFailure = (error) => this.#fail(error);
  }

  start<M extends MethodName>(
    method: M,
    params: Params<M>,
    onEvent?: (event: Event<M>) => void,
  ): StartedCall<M> {
    this.#lastId += 1;
    const id = this.#lastId;
    const result = new Promise<Result<M>>((resolve, reject) => {
      if (this.#closed !== undefined) return reject(this.#closed);
      this.#pending.set(id, { resolve, reject, onEvent });
      try {
        this.channel.post({ type: "call", id, method, params } as ClientMessage);
      } catch (cause) {
        this.#pending.delete(id);
        reject(
          new LexigraftError("invalid-argument", "An argument cannot be sent to the worker.", { cause }),
        );
      }
    });
    const cancel = () => {
      if (this.#pending.has(id)) this.channel.post({ type: "cancel", id });
    };
    return { result, cancel };
  }

  /** A call that rejects at once when its signal aborts, without waiting for the engine to notice. */
  async call<M extends MethodName>(
    method: M,
    params: Params<M>,
    options: CallOptions<M> = {},
  ): Promise<Result<M>> {
    const { signal, onEvent, onLate } = options;
    throwIfAborted(signal);
    const started = this.start(method, params, (event) => {
      if (!signal?.aborted) onEvent?.(event);
    });
    try {
      return await abortable(started.result, signal);
    } catch (error) {
      if (signal?.aborted) {
        started.cancel();
        started.result.then(onLate, () => undefined);
      }
      throw error;
    }
  }

  /** Ends every call with `disposed` and frees the engine. */
  close(): Promise<void> {
    this.#closing ??= (async () => {
      this.#fail(new LexigraftError("disposed", "This Lexigraft was disposed."));
      await this.channel.close();
    })();
    return this.#closing;
  }

  #fail(error: LexigraftError): void {
    this.#closed ??= error;
    for (const { reject } of this.#pending.values()) reject(this.#closed);
    this.#pending.clear();
  }

  #receive(message: HostMessage): void {
    const pending = this.#pending.get(message.id);
    if (pending === undefined) return;
    if (message.type === "event") {
      pending.onEvent?.(message.event as never);
      return;
    }
    this.#pending.delete(message.id);
    if (message.type === "result") pending.resolve(message.value as never);
    else pending.reject(fromRecord(message.error));
  }
}

/** Calls a function of the user. What it throws is reported as uncaught, and does not disturb the work. */
export function callUser<T>(callback: ((value: T) => void) | undefined, value: T): void {
  try {
    callback?.(value);
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}

/** Checks an argument that JavaScript callers may get wrong before it reaches the engine. */
export function requireText(text: unknown, what: string): string {
  if (typeof text === "string") return text;
  throw new LexigraftError("invalid-argument", `The ${what} must be a string.`);
}
