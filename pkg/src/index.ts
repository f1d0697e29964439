export { openCache } from "./cache.js";
export { ERROR_CODES, LexigraftError, type LexigraftErrorCode } from "./errors.js";
export { Lexigraft } from "./lexigraft.js";
export { type GpuProbe, probeWebGpu } from "./probe.js";
export type * from "./types.js";
