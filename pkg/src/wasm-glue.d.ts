// The scripts that wasm-bindgen writes exist only after the engine was built; a pattern stands for them.
declare module "*/lexigraft.js" {
  const init: import("./wasm-module.js").WasmModule["default"];
  export default init;
  export const createEngine: import("./wasm-module.js").WasmModule["createEngine"];
  export const Sha256: import("./wasm-module.js").WasmModule["Sha256"];
  export const help: import("./wasm-module.js").WasmModule["help"];
}
