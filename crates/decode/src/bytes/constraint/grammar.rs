//! Context-free grammars and JSON schemas, by llguidance over single bytes.

use llguidance::api::TopLevelGrammar;
use llguidance::toktrie::ApproximateTokEnv;
use llguidance::{Matcher, ParserFactory};

use super::{ByteConstraint, ByteSet};
use crate::DecodeError;

/// Lets through what a grammar derives.
///
/// llguidance is given a vocabulary of the 256 bytes, so that its masks are sets of bytes and
/// nothing depends on the model's tokenizer.
#[derive(Clone)]
pub struct GrammarConstraint {
    matcher: Matcher,
    allowed: ByteSet,
    kind: &'static str,
}

impl GrammarConstraint {
    /// A grammar in llguidance's variant of Lark.
    ///
    /// # Errors
    /// `bad-constraint` for a grammar that cannot be used, `contradictory-constraints` for one
    /// that derives nothing.
    pub fn lark(grammar: &str) -> Result<Self, DecodeError> {
        Self::new("lark", "the grammar", grammar)
    }

    /// A JSON schema: texts that are JSON, with blanks where JSON has them.
    ///
    /// # Errors
    /// `bad-constraint` for a schema that is no JSON or asks for what is not supported,
    /// `contradictory-constraints` for one that nothing satisfies.
    pub fn json_schema(schema: &str) -> Result<Self, DecodeError> {
        Self::new("json", "the JSON schema", schema)
    }

    fn new(tag: &str, kind: &'static str, text: &str) -> Result<Self, DecodeError> {
        let bad = |error: &dyn std::fmt::Display| {
            DecodeError::BadConstraint(format!("{kind} cannot be used: {error}"))
        };
        let grammar = TopLevelGrammar::from_tagged_str(tag, text).map_err(|error| bad(&error))?;
        let bytes = ApproximateTokEnv::single_byte_env();
        let mut factory = ParserFactory::new_simple(&bytes).map_err(|error| bad(&error))?;
        let parser = factory.quiet().create_parser(grammar);
        let mut constraint = Self {
            matcher: Matcher::new(parser),
            allowed: ByteSet::NONE,
            kind,
        };
        if let Some(error) = constraint.matcher.get_error() {
            return Err(bad(&error));
        }
        constraint.look();
        if constraint.allowed.is_empty() {
            return Err(DecodeError::ContradictoryConstraints {
                at: 0,
                reason: format!("{kind} lets nothing through"),
            });
        }
        Ok(constraint)
    }

    /// Finds out what may come. A grammar that fails on its way lets nothing through.
    fn look(&mut self) {
        if self.matcher.is_stopped() {
            let ended = !self.matcher.is_error();
            self.allowed = ByteSet::of(ended, |_| false);
            return;
        }
        let ends = self.matcher.is_accepting().unwrap_or(false);
        self.allowed = match self.matcher.compute_mask() {
            Ok(mask) => ByteSet::of(ends, |byte| mask.is_allowed(byte.into())),
            Err(_) => ByteSet::NONE,
        };
    }
}

impl ByteConstraint for GrammarConstraint {
    fn allowed(&self) -> ByteSet {
        self.allowed
    }

    fn push(&mut self, byte: u8) {
        // What is refused leaves the matcher in a state that lets nothing through.
        let _ = self.matcher.consume_token(byte.into());
        self.look();
    }

    fn name(&self) -> String {
        self.kind.to_owned()
    }

    fn fork(&self) -> Box<dyn ByteConstraint> {
        Box::new(self.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepts(constraint: &GrammarConstraint, text: &str) -> bool {
        let mut state = constraint.clone();
        for byte in text.bytes() {
            if !state.allowed().contains(byte.into()) {
                return false;
            }
            state.push(byte);
        }
        state.allowed().contains(256)
    }

    #[test]
    fn nested_brackets_are_let_through_if_balanced() {
        let grammar = GrammarConstraint::lark("start: item\nitem: \"(\" item* \")\"").unwrap();
        let mut all = vec![String::new()];
        let mut yes = 0;
        for _ in 0..8 {
            all = all
                .iter()
                .flat_map(|t| [format!("{t}("), format!("{t})")])
                .collect();
            for text in &all {
                let mut depth = 0i32;
                let mut balanced = true;
                for (at, c) in text.char_indices() {
                    balanced &= at == 0 || depth > 0;
                    depth += if c == '(' { 1 } else { -1 };
                    balanced &= depth >= 0;
                }
                balanced &= depth == 0;
                assert_eq!(accepts(&grammar, text), balanced, "{text}");
                yes += usize::from(balanced);
            }
        }
        // Catalan numbers of 0 to 3 pairs inside one.
        assert_eq!(yes, 1 + 1 + 2 + 5);
    }

    #[test]
    fn schemas_let_through_what_satisfies_them() {
        let schema = r#"{"type": "object", "properties": {"name": {"type": "string"},
            "age": {"type": "integer", "minimum": 0}}, "required": ["name", "age"],
            "additionalProperties": false}"#;
        let schema = GrammarConstraint::json_schema(schema).unwrap();
        assert!(accepts(&schema, r#"{"name": "Zoë", "age": 41}"#));
        assert!(accepts(&schema, r#"{"name":"","age":0}"#));
        assert!(!accepts(&schema, r#"{"name": "Zoë"}"#));
        assert!(!accepts(&schema, r#"{"name": "Zoë", "age": -1}"#));
        assert!(!accepts(&schema, r#"{"name": "Zoë", "age": 1, "x": 2}"#));
        assert!(!accepts(&schema, r#"{"name": "Zoë", "age": 41"#));
    }

    #[test]
    fn what_makes_no_sense_has_a_code() {
        let code = |made: Result<GrammarConstraint, DecodeError>| made.err().map(|e| e.code());
        assert_eq!(
            code(GrammarConstraint::lark("start: (")),
            Some("bad-constraint")
        );
        assert_eq!(
            code(GrammarConstraint::json_schema("{")),
            Some("bad-constraint")
        );
        let none = GrammarConstraint::json_schema("false");
        assert!(matches!(
            code(none),
            Some("bad-constraint" | "contradictory-constraints")
        ));
    }
}
