//! The JavaScript border of Lexigraft: values in, values out, errors with codes. No logic.
//!
//! The TypeScript package `lexigraft` wraps this module; its own surface is the documented one.

mod allocator;
mod blob_rows;
mod blob_source;
mod blob_writer;
mod bytes;
mod encoder;
mod engine;
mod error;
mod generation;
mod graft;
mod js_constraint;
mod language_model;
#[cfg(feature = "cpu")]
mod probe;
mod sha256;
#[cfg(all(feature = "cpu", target_feature = "atomics"))]
mod threads;
mod tokenizer;
mod value;
mod vision;

pub use allocator::failed_allocation;
pub use bytes::{WasmByteModel, byte_ensemble};
pub use encoder::WasmEncoder;
pub use engine::{Engine, create_engine};
pub use generation::WasmGeneration;
pub use language_model::WasmLanguageModel;
#[cfg(feature = "cpu")]
pub use probe::MachineProbe;
pub use sha256::Sha256;
pub use tokenizer::{WasmTokenizer, read_tokenizer};
pub use vision::{WasmVision, check_picture};

use wasm_bindgen::prelude::wasm_bindgen;

#[wasm_bindgen(start)]
fn start() {
    #[cfg(all(feature = "gpu", target_family = "wasm"))]
    constructors::run();
    console_error_panic_hook::set_once();
}

/// CubeCL's compiler registers its operations in static constructors. The linker takes a module that
/// never calls them for a program with one entry, and has every export run all of them first: 9 ms for
/// each kernel that is launched. A module that calls them itself is left alone.
#[cfg(all(feature = "gpu", target_family = "wasm"))]
mod constructors {
    #![allow(unsafe_code)]

    unsafe extern "C" {
        fn __wasm_call_ctors();
    }

    pub(super) fn run() {
        // SAFETY: the linker defines it, it takes nothing, and nothing else runs before it.
        unsafe { __wasm_call_ctors() }
    }
}
