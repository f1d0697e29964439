//! What bytes may come next.
//!
//! Since the model is one of bytes, restricting it is masking and renormalising bytes: no token
//! has to fit a grammar's borders, and the result does not depend on the tokenizer.

mod regex;
mod tokens;
mod utf8;

pub use regex::RegexConstraint;
pub use tokens::token_mask;
pub use utf8::Utf8Constraint;

use super::next_byte::ByteSet;

/// A language of byte strings, read from left to right.
pub trait ByteConstraint {
    /// The bytes that may come now, and whether the text may end here. Every byte of the set
    /// leaves a way to an end.
    fn allowed(&self) -> ByteSet;

    /// Reads a byte of [`allowed`](ByteConstraint::allowed).
    fn push(&mut self, byte: u8);

    /// What to call it in messages.
    fn name(&self) -> String;

    /// The same constraint in the same state.
    fn fork(&self) -> Box<dyn ByteConstraint>;
}

/// What all of `constraints` allow.
pub fn allowed_by(constraints: &[Box<dyn ByteConstraint>]) -> ByteSet {
    let sets = constraints.iter().map(|constraint| constraint.allowed());
    sets.fold(ByteSet::ALL, |all, set| all.and(&set))
}
