/** Every code an error of this package can carry. The Rust crates use the same list. */
export const ERROR_CODES = [
  "bad-checkpoint",
  "unsupported-format",
  "unsupported-type",
  "unsupported-architecture",
  "missing-tensor",
  "bad-config",
  "wrong-base-model",
  "bad-tokenizer",
  "tokenizer-missing",
  "tokenizer-mismatch",
  "bad-template",
  "unsupported-tokenizer",
  "no-tokenization",
  "too-many-tokenizations",
  "bad-constraint",
  "contradictory-constraints",
  "no-fill-in-the-middle",
  "prompt-too-long",
  "invalid-argument",
  "not-an-image",
  "empty-image",
  "image-too-large",
  "animated-image",
  "cmyk-image",
  "unknown-method",
  "integrity",
  "network",
  "not-found",
  "http",
  "storage",
  "no-webgpu",
  "device-lost",
  "out-of-memory",
  "aborted",
  "busy",
  "disposed",
  "worker-failed",
  "io",
  "internal",
] as const;

/** What went wrong, stable across releases: switch on it, show `message` to people. */
export type LexigraftErrorCode = (typeof ERROR_CODES)[number];

/** The only error type this package throws on purpose. */
export class LexigraftError extends Error {
  override readonly name = "LexigraftError";
  readonly code: LexigraftErrorCode;
  /** What to do next, where there is more to say than the message does. */
  readonly hint?: string;
  /** Numbers behind the message, such as the bytes `needed` and `available` of a full storage. */
  readonly details?: Readonly<Record<string, number>>;

  constructor(
    code: LexigraftErrorCode,
    message: string,
    options: { hint?: string; cause?: unknown; details?: Readonly<Record<string, number>> } = {},
  ) {
    super(message, "cause" in options ? { cause: options.cause } : undefined);
    this.code = code;
    if (options.hint !== undefined) this.hint = options.hint;
    if (options.details !== undefined) this.details = options.details;
  }
}

/** An error as it travels between the page and the worker. */
export interface ErrorRecord {
  code: LexigraftErrorCode;
  message: string;
  hint?: string;
  details?: Readonly<Record<string, number>>;
}

/** True for a string that is one of {@link ERROR_CODES}. */
export function isErrorCode(value: unknown): value is LexigraftErrorCode {
  return typeof value === "string" && (ERROR_CODES as readonly string[]).includes(value);
}

/**
 * Makes a `LexigraftError` of anything that was thrown. Errors that already carry one of our codes (the
 * engine's do) keep it; an error that ran out of memory or hit a trap is recognised; the rest gets `fallback`.
 */
export function toLexigraftError(thrown: unknown, fallback: LexigraftErrorCode = "internal"): LexigraftError {
  if (thrown instanceof LexigraftError) return thrown;
  const message = describe(thrown);
  const code = field(thrown, "code");
  if (isErrorCode(code)) {
    const hint = field(thrown, "hint");
    return new LexigraftError(code, message, {
      cause: thrown,
      ...(typeof hint === "string" ? { hint } : {}),
    });
  }
  const name = field(thrown, "name");
  if (name === "AbortError")
    return new LexigraftError("aborted", "The operation was aborted.", { cause: thrown });
  if (thrown instanceof RangeError && /memory|allocation|buffer/i.test(message)) {
    return new LexigraftError("out-of-memory", `Memory ran out: ${message}`, {
      cause: thrown,
      hint: "Close other tabs, dispose models you no longer need, or take a smaller model or contextLength.",
    });
  }
  if (isTrap(thrown)) {
    return new LexigraftError("internal", `The engine stopped in the middle of its work: ${message}`, {
      cause: thrown,
      hint: "Dispose this Lexigraft and create a new one; please report how it happened.",
    });
  }
  return new LexigraftError(fallback, message, { cause: thrown });
}

/** Of an allocation inside the engine that failed, which no engine outlives. */
export function memoryRanOut(bytes: number): LexigraftError {
  const what = `Memory ran out in the middle of the engine's work: ${bytes} bytes could not be had.`;
  return new LexigraftError("out-of-memory", what, {
    hint: "Dispose this Lexigraft and create a new one, with fewer models or a smaller contextLength.",
    details: { needed: bytes },
  });
}

/** A trap leaves a WebAssembly instance in an unknown state: it must not be used again. */
export function isTrap(thrown: unknown): boolean {
  return typeof WebAssembly !== "undefined" && thrown instanceof WebAssembly.RuntimeError;
}

export function toRecord(error: LexigraftError): ErrorRecord {
  const { code, message, hint, details } = error;
  return {
    code,
    message,
    ...(hint === undefined ? {} : { hint }),
    ...(details === undefined ? {} : { details }),
  };
}

export function fromRecord(record: ErrorRecord): LexigraftError {
  const { code, message, ...rest } = record;
  return new LexigraftError(code, message, rest);
}

function describe(thrown: unknown): string {
  const message = field(thrown, "message");
  if (typeof message === "string" && message !== "") return message;
  return typeof thrown === "string" && thrown !== "" ? thrown : "An unknown error happened.";
}

function field(value: unknown, key: string): unknown {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>)[key] : undefined;
}
