/** Files of a request: addresses, files of the notebook's server, and what Python sends in parts. */
import { JobError, throwIfAborted, type WidgetModel } from "./model.js";

/** As src/lexigraft/sources.py describes a file. */
export type FileRecord =
  | { kind: "url"; key: string; url: string }
  | { kind: "served"; key: string; path: string }
  | { kind: "sent"; key: string; size: number; name?: string; pixels?: { width: number; height: number } };

/** Bytes of one message, the most that Python gives. */
const PART_BYTES = 4 * 2 ** 20;
/** Milliseconds after which a part is asked for again, before Python was heard and after; twice as many each time. */
const ASK_AGAIN_MS = { atFirst: 400, later: 5_000 };
/** Parts asked for ahead: the kernel reads one while another travels. */
const AHEAD = 3;

type Told = (loaded: number, total: number) => void;

interface Waiting {
  resolve(part: Blob): void;
  reject(error: JobError): void;
}

/** Asks Python for parts of files. One for each widget. */
export class Kernel {
  readonly #waiting = new Map<number, Waiting>();
  #last = 0;
  #heard = false;

  constructor(private readonly model: WidgetModel) {
    model.on("msg:custom", (content, buffers) => this.#receive(content, buffers));
  }

  /** Reads a whole file. Only a few parts are under way at any time, so a slow page is never flooded. */
  async read({ key, size }: { key: string; size: number }, signal: AbortSignal, tell?: Told): Promise<Blob> {
    const parts: Promise<Blob>[] = [];
    let loaded = 0;
    const ask = (): void => {
      const offset = parts.length * PART_BYTES;
      if (offset >= size) return;
      const part = this.#ask(key, offset, Math.min(PART_BYTES, size - offset), signal);
      // Awaited in its turn; another part's failure may come first.
      part.catch(() => undefined);
      parts.push(part);
    };
    while (parts.length < AHEAD && parts.length * PART_BYTES < size) ask();
    const read: Blob[] = [];
    for (let index = 0; index < parts.length; index += 1) {
      const part = await (parts[index] as Promise<Blob>);
      read.push(part);
      loaded += part.size;
      tell?.(loaded, size);
      ask();
    }
    if (loaded !== size) throw new JobError("io", `Python sent ${loaded} bytes of ${size}.`);
    return new Blob(read);
  }

  #ask(key: string, offset: number, length: number, signal: AbortSignal): Promise<Blob> {
    return new Promise((resolve, reject) => {
      throwIfAborted(signal);
      this.#last += 1;
      const id = this.#last;
      let timer: ReturnType<typeof setTimeout>;
      const settle = (): void => {
        clearTimeout(timer);
        signal.removeEventListener("abort", stop);
        this.#waiting.delete(id);
      };
      const stop = (): void => {
        settle();
        reject(new JobError("aborted", "The request was stopped."));
      };
      signal.addEventListener("abort", stop, { once: true });
      this.#waiting.set(id, {
        resolve: (part) => {
          settle();
          resolve(part);
        },
        reject: (error) => {
          settle();
          reject(error);
        },
      });
      // JupyterLab's first messages may go to the shell that a cell holds, and stay there until the cell ends; those
      // that it sends a moment later go beside it.
      const ask = (after: number): void => {
        this.model.send({ type: "read", id, key, offset, length });
        timer = setTimeout(() => ask(2 * after), after);
      };
      ask(this.#heard ? ASK_AGAIN_MS.later : ASK_AGAIN_MS.atFirst);
    });
  }

  #receive(content: unknown, buffers: unknown): void {
    this.#heard = true;
    const { type, id, error } = content as { type?: string; id?: number; error?: JobError };
    const waiting = type === "part" && id !== undefined ? this.#waiting.get(id) : undefined;
    if (waiting === undefined) return;
    const [part] = buffers as (BlobPart | undefined)[];
    if (error) waiting.reject(new JobError(error.code, error.message, error.hint ?? undefined));
    else if (part === undefined) waiting.reject(new JobError("io", "Python sent no bytes."));
    else waiting.resolve(new Blob([part]));
  }
}

/** Reads a file of the notebook's server in the page, which may; a worker sends no referrer and is refused. */
export async function readServed(path: string, signal: AbortSignal): Promise<Blob> {
  const url = `${serverBase()}files/${path.split("/").map(encodeURIComponent).join("/")}`;
  let response: Response;
  try {
    response = await fetch(url, { signal, credentials: "same-origin" });
  } catch (cause) {
    throwIfAborted(signal);
    throw new JobError("network", `The notebook's server does not answer: ${String(cause)}`);
  }
  if (response.status === 404) throw new JobError("not-found", `The notebook's server has no file ${path}.`);
  if (!response.ok)
    throw new JobError("http", `The notebook's server answered ${response.status} for ${path}.`);
  return response.blob();
}

/** Where the notebook's server is: JupyterLab and Notebook 7 say it in a script, the classic one on its body. */
function serverBase(): string {
  const config = document.getElementById("jupyter-config-data")?.textContent;
  const base = config ? (JSON.parse(config) as { baseUrl?: string }).baseUrl : document.body.dataset.baseUrl;
  if (base === undefined) {
    throw new JobError(
      "invalid-argument",
      "This page does not say where the notebook's server is.",
      "Give the model's address, path or bytes instead.",
    );
  }
  return new URL(base.endsWith("/") ? base : `${base}/`, location.href).href;
}
