/** Put in by the build: see scripts/bundle.mjs. */

/** The worker's script. */
declare const INLINE_WORKER: string;
/** The CPU engine's module: gzip, then base64. */
declare const INLINE_WASM: string;
