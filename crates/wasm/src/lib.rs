//! The JavaScript border of Lexigraft: values in, values out, errors with codes. No logic.
//!
//! The TypeScript package `lexigraft` wraps this module; its own surface is the documented one.

mod blob_source;
mod bytes;
mod encoder;
mod engine;
mod error;
mod generation;
mod language_model;
#[cfg(feature = "cpu")]
mod probe;
mod sha256;
#[cfg(all(feature = "cpu", target_feature = "atomics"))]
mod threads;
mod value;
mod vision;

pub use bytes::{WasmByteModel, byte_ensemble};
pub use encoder::WasmEncoder;
pub use engine::{Engine, create_engine};
pub use generation::WasmGeneration;
pub use language_model::WasmLanguageModel;
#[cfg(feature = "cpu")]
pub use probe::MachineProbe;
pub use sha256::Sha256;
pub use vision::{WasmVision, check_picture};

use wasm_bindgen::prelude::wasm_bindgen;

#[wasm_bindgen(start)]
fn start() {
    console_error_panic_hook::set_once();
}
