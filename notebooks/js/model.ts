/** The part of anywidget's interface that is used here, and errors as Python gets them. */

export interface WidgetModel {
  get(name: string): unknown;
  set(name: string, value: unknown): void;
  /** Sends Python what was set since the last time. */
  save_changes(): void;
  /** A message of its own, at once. */
  send(content: unknown, callbacks?: undefined, buffers?: ArrayBufferView[]): void;
  on(event: string, callback: (content: unknown, buffers: unknown) => void): void;
  off(event: string, callback: (content: unknown, buffers: unknown) => void): void;
}

export interface ErrorRecord {
  code: string;
  message: string;
  hint: string | null;
}

/** An error of this script; the engine's own have the same fields. */
export class JobError extends Error {
  constructor(
    readonly code: string,
    message: string,
    readonly hint?: string,
  ) {
    super(message);
  }
}

export function toRecord(thrown: unknown): ErrorRecord {
  const field = (name: string) =>
    typeof thrown === "object" && thrown !== null ? (thrown as Record<string, unknown>)[name] : undefined;
  const text = (value: unknown) => (typeof value === "string" && value !== "" ? value : undefined);
  return {
    code: text(field("code")) ?? "internal",
    message: text(field("message")) ?? String(thrown),
    hint: text(field("hint")) ?? null,
  };
}

export function throwIfAborted(signal: AbortSignal): void {
  if (signal.aborted) throw new JobError("aborted", "The request was stopped.");
}
