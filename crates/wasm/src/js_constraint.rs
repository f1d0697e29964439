//! Constraints that JavaScript works out, as the grammar module does.

use lexigraft_decode::bytes::{ByteConstraint, ByteSet};
use wasm_bindgen::prelude::wasm_bindgen;

#[wasm_bindgen]
extern "C" {
    /// A constraint on bytes. None of its methods may throw.
    pub type JsConstraint;

    /// 257 numbers: 1 for each byte that may come, and in the last place for an end.
    #[wasm_bindgen(method)]
    fn allowed(this: &JsConstraint) -> Vec<u8>;

    #[wasm_bindgen(method)]
    fn advance(this: &JsConstraint, byte: u8);

    #[wasm_bindgen(method)]
    fn name(this: &JsConstraint) -> String;

    #[wasm_bindgen(method)]
    fn fork(this: &JsConstraint) -> JsConstraint;

    #[wasm_bindgen(method)]
    fn free(this: &JsConstraint);
}

/// Asks JavaScript once a byte.
pub(crate) struct Asked {
    constraint: JsConstraint,
    /// Whoever made a constraint frees it: JavaScript asks its own why it gave up, afterwards.
    is_fork: bool,
    allowed: ByteSet,
}

impl Asked {
    /// Asks a constraint that stays JavaScript's.
    pub(crate) fn new(constraint: JsConstraint) -> Self {
        Self::of(constraint, false)
    }

    fn of(constraint: JsConstraint, is_fork: bool) -> Self {
        let mut asked = Self {
            constraint,
            is_fork,
            allowed: ByteSet::NONE,
        };
        asked.look();
        asked
    }

    fn look(&mut self) {
        let mask = self.constraint.allowed();
        let at = |slot: usize| mask.get(slot) == Some(&1);
        self.allowed = ByteSet::of(at(256), |byte| at(byte.into()));
    }
}

impl ByteConstraint for Asked {
    fn allowed(&self) -> ByteSet {
        self.allowed
    }

    fn push(&mut self, byte: u8) {
        self.constraint.advance(byte);
        self.look();
    }

    fn name(&self) -> String {
        self.constraint.name()
    }

    fn fork(&self) -> Box<dyn ByteConstraint> {
        Box::new(Self::of(self.constraint.fork(), true))
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        if self.is_fork {
            self.constraint.free();
        }
    }
}
