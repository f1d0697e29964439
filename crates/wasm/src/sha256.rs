use sha2::Digest;
use wasm_bindgen::prelude::wasm_bindgen;

/// SHA-256 of bytes that arrive in pieces, which Web Crypto cannot do.
#[wasm_bindgen]
#[derive(Default)]
pub struct Sha256 {
    state: sha2::Sha256,
}

#[wasm_bindgen]
impl Sha256 {
    #[wasm_bindgen(constructor)]
    pub fn new() -> Self {
        Self::default()
    }

    pub fn update(&mut self, bytes: &[u8]) {
        self.state.update(bytes);
    }

    /// Lower-case hexadecimal digest; the state starts anew.
    pub fn hex(&mut self) -> String {
        self.state
            .finalize_reset()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }
}
