//! Helper threads of the CPU engine: workers that share this module's memory.
//!
//! The package starts a worker for each, gives it [`thread_module`] and [`thread_memory`], and has
//! it call [`help`].

use lexigraft_models::threads;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

/// The compiled module, for a worker's own instance.
#[wasm_bindgen(js_name = threadModule)]
pub fn thread_module() -> JsValue {
    wasm_bindgen::module()
}

/// The memory that all instances share.
#[wasm_bindgen(js_name = threadMemory)]
pub fn thread_memory() -> JsValue {
    wasm_bindgen::memory()
}

/// Counts one more helper. Kernels wait for the parts that it takes, so this comes after its
/// worker has answered.
#[wasm_bindgen(js_name = expectHelper)]
pub fn expect_helper() {
    threads::expect_helper();
}

/// Runs parts of kernels. It does not return: its worker is ended from outside.
#[wasm_bindgen]
pub fn help() {
    threads::help();
}
