//! Grammars and JSON schemas, by `lexigraft-grammar`.

use lexigraft_grammar::{ByteGrammar, END, GrammarError};

use super::{ByteConstraint, ByteSet};
use crate::DecodeError;

/// Lets through what a grammar derives.
#[derive(Debug, Clone)]
pub struct GrammarConstraint(ByteGrammar);

impl GrammarConstraint {
    /// A grammar in llguidance's variant of Lark, as [`ByteGrammar::lark`] reads it.
    ///
    /// # Errors
    /// `bad-constraint` for a grammar that cannot be used, `contradictory-constraints` for one
    /// that derives nothing.
    pub fn lark(grammar: &str) -> Result<Self, DecodeError> {
        ByteGrammar::lark(grammar).map(Self).map_err(decode_error)
    }

    /// A JSON schema, as [`ByteGrammar::json_schema`] reads it.
    ///
    /// # Errors
    /// `bad-constraint` for a schema that cannot be used, `contradictory-constraints` for one
    /// that nothing satisfies.
    pub fn json_schema(schema: &str) -> Result<Self, DecodeError> {
        let made = ByteGrammar::json_schema(schema);
        made.map(Self).map_err(decode_error)
    }
}

fn decode_error(error: GrammarError) -> DecodeError {
    match error {
        GrammarError::Bad(reason) => DecodeError::BadConstraint(reason),
        GrammarError::Contradictory(reason) => {
            DecodeError::ContradictoryConstraints { at: 0, reason }
        }
    }
}

impl ByteConstraint for GrammarConstraint {
    fn allowed(&self) -> ByteSet {
        let allowed = self.0.allowed();
        ByteSet::of(allowed[END], |byte| allowed[usize::from(byte)])
    }

    fn push(&mut self, byte: u8) {
        self.0.advance(byte);
    }

    fn name(&self) -> String {
        match self.0.failure() {
            Some(reason) => format!("{}, which was given up: {reason}", self.0.kind()),
            None => self.0.kind().to_owned(),
        }
    }

    fn fork(&self) -> Box<dyn ByteConstraint> {
        Box::new(self.clone())
    }
}
