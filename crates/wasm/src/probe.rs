//! The machine's limits, for `cargo xtask bench`; the package does not use them.

use lexigraft_models::probe;
use wasm_bindgen::prelude::wasm_bindgen;

/// Memory to be read and registers to multiply in.
#[wasm_bindgen]
pub struct MachineProbe {
    memory: Vec<u8>,
}

#[wasm_bindgen]
impl MachineProbe {
    #[wasm_bindgen(constructor)]
    pub fn new(bytes: usize) -> Self {
        Self {
            memory: vec![1; bytes],
        }
    }

    /// Reads all of the memory once.
    pub fn read(&self) -> u32 {
        probe::read_all(&self.memory)
    }

    /// Multiplies; gives the number of multiplications and additions.
    pub fn multiply(&self, rounds: u32) -> f64 {
        probe::multiply(rounds) as f64
    }
}
