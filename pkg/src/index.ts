export { ERROR_CODES, LexigraftError, type LexigraftErrorCode } from "./errors.js";
export type * from "./types.js";
