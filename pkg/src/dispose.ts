/**
 * The key of `await using`. Engines that do not know it yet get a stand-in, so that the classes can be defined; a
 * polyfill works when it is loaded before this package.
 */
export const asyncDispose: typeof Symbol.asyncDispose =
  Symbol.asyncDispose ?? (Symbol.for("Symbol.asyncDispose") as typeof Symbol.asyncDispose);
