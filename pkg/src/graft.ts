import { callUser, type EngineClient } from "./client.js";
import { LexigraftError } from "./errors.js";
import type { GraftParams, Handle, Result } from "./protocol.js";
import { release } from "./release.js";
import { toPortable } from "./source.js";
import { TokenizerClient } from "./tokenizer.js";
import type { GraftOptions, Source, Tokenizer } from "./types.js";

/** Has a tokenizer grafted onto the model of `handle`; `cacheName` is undefined where nothing is to be kept. */
export async function graftModel(
  client: EngineClient,
  handle: Handle,
  tokenizer: Source | Tokenizer,
  options: GraftOptions,
  cacheName: string | undefined,
): Promise<Result<"graft">> {
  const { method = "fvt", hypernetwork, lossy = false, signal, onProgress, onWarning } = options;
  const cache = options.cache === false ? undefined : cacheName;
  const params: GraftParams = {
    handle,
    tokenizer: tokenizerOf(client, tokenizer),
    method,
    lossy,
    ...(hypernetwork === undefined ? {} : { hypernetwork: toPortable(hypernetwork, "hypernetwork") }),
    ...(cache === undefined ? {} : { cache }),
  };
  return client.call("graft", params, {
    signal,
    onEvent: (event) => {
      if (event.type === "progress") callUser(onProgress, event.progress);
      else callUser(onWarning, event.warning);
    },
    onLate: (late) => void release(client, late.handle),
  });
}

function tokenizerOf(client: EngineClient, tokenizer: Source | Tokenizer): GraftParams["tokenizer"] {
  if (!(tokenizer instanceof TokenizerClient)) return toPortable(tokenizer as Source, "tokenizer");
  if (tokenizer.client === client) return tokenizer.handle;
  throw new LexigraftError("invalid-argument", "The tokenizer was loaded by another Lexigraft.");
}
