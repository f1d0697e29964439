//! JSON schemas and grammars as sets of bytes that may come next, by llguidance.
//!
//! A crate of its own because llguidance asks serde_json to keep the order of keys. In one build with
//! Burn that feature would be Burn's too and compile all of it anew, and the engine's modules would
//! carry the parser for pages that have no use for it. So the page has it as a small module beside the
//! engine's: see `border.rs` for its surface.

#[cfg(target_family = "wasm")]
mod border;
mod constraint;
mod error;
mod limits;

pub use constraint::{ByteGrammar, ByteMask, END};
pub use error::GrammarError;
pub use limits::{MOST_GRAMMAR_BYTES, MOST_SCHEMA_BYTES};
