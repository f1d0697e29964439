/** The files that a call needs, on the engine's side. */
import { parseSha256 } from "./digest.js";
import { type FetchedFile, fetchFile, type OpenFile } from "./fetch-file.js";
import type { Fetch } from "./fetch-ok.js";
import { ProgressThrottle } from "./progress.js";
import type { LoadEvent, LoadParams } from "./protocol.js";
import type { PortableSource } from "./source.js";
import type { ModelFile } from "./types.js";
import type { WasmSha256 } from "./wasm-module.js";

/** How files are got. */
export interface Fetcher {
  /** Name of the cache; undefined for none. */
  cache: string | undefined;
  /** Where `hf:` addresses point; undefined for the usual hub. */
  hub?: string | undefined;
  whenFull?: "memory" | "fail" | undefined;
  newSha256: () => WasmSha256;
  fetch?: Fetch | undefined;
  openFile?: OpenFile | undefined;
}

interface Call {
  signal: AbortSignal;
  emit: (event: LoadEvent) => void;
}

export type GetFile = (file: ModelFile, source: PortableSource, sha256?: string) => Promise<FetchedFile>;

/** Gets single files and tells how it goes. */
export function fileGetter(fetcher: Fetcher, throttle: ProgressThrottle, { signal, emit }: Call): GetFile {
  return (file, source, sha256) =>
    fetchFile(source, {
      ...fetcher,
      file,
      sha256,
      signal,
      onProgress: (progress) => {
        const { phase, loaded, total } = progress;
        if (throttle.due(`${phase} ${file}`, loaded === total)) emit({ type: "progress", progress });
      },
      onWarning: (warning) => emit({ type: "warning", warning }),
    });
}

/** Gets a model's files, small ones first: a missing tokenizer is found before the weights are downloaded. */
export async function fetchAll(
  fetcher: Fetcher,
  params: LoadParams,
  small: { tokenizer?: PortableSource | undefined; config?: PortableSource | undefined },
  call: Call,
) {
  const weightsSha256 = parseSha256(params.sha256);
  const throttle = new ProgressThrottle();
  const get = fileGetter(fetcher, throttle, call);
  const tokenizer = small.tokenizer && (await get("tokenizer", small.tokenizer)).blob;
  const config = small.config && (await get("config", small.config)).blob;
  const { blob: weights, fromCache } = await get("weights", params.weights, weightsSha256);
  const onLoad = (loaded: number, total: number): boolean => {
    if (throttle.due("load", loaded === total)) {
      call.emit({ type: "progress", progress: { phase: "load", file: "weights", loaded, total, fromCache } });
    }
    return !call.signal.aborted;
  };
  return { tokenizer, config, weights, onLoad };
}
