use llguidance::api::TopLevelGrammar;
use llguidance::toktrie::{ApproximateTokEnv, InferenceCapabilities};
use llguidance::{Matcher, ParserFactory};
use serde_json::{Value, json};

use crate::GrammarError;
use crate::limits::{MOST_GRAMMAR_BYTES, MOST_SCHEMA_BYTES, parser_limits};

/// The place of the end of the text in a mask, after the 256 bytes.
pub const END: usize = 256;

/// Which of the 256 bytes may come, and in the last place whether the text may end.
pub type ByteMask = [bool; 257];

/// Lets through what a grammar derives, byte by byte.
///
/// llguidance is given a vocabulary of the 256 bytes, so that its masks are sets of bytes and nothing
/// depends on a model's tokenizer.
#[derive(Clone)]
pub struct ByteGrammar {
    matcher: Matcher,
    allowed: ByteMask,
    kind: &'static str,
}

impl std::fmt::Debug for ByteGrammar {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("ByteGrammar").field(&self.kind).finish()
    }
}

impl ByteGrammar {
    /// A grammar in llguidance's variant of Lark, of at most [`MOST_GRAMMAR_BYTES`]. What it ignores
    /// may stand between its parts, not before or after all of them. One without an end, such as
    /// `start: ("a" | "b") start`, is not found out. Lists take less work where they recur on the left.
    ///
    /// # Errors
    /// `bad-constraint` for a grammar that cannot be used or is too large,
    /// `contradictory-constraints` for one that derives nothing.
    pub fn lark(grammar: &str) -> Result<Self, GrammarError> {
        Self::new("the grammar", grammar, MOST_GRAMMAR_BYTES, |text| {
            Ok(TopLevelGrammar::from_lark(text.to_owned()))
        })
    }

    /// A JSON schema of at most [`MOST_SCHEMA_BYTES`]: texts that are JSON. An object's keys come in the
    /// order in which the schema has them. Where JSON has blanks there may be one, or a line break and an
    /// indentation of up to twelve; `x-guidance` with `whitespace_pattern` or `whitespace_flexible` in
    /// the schema says otherwise.
    ///
    /// # Errors
    /// `bad-constraint` for a schema that is no JSON, asks for what is not supported or is too large,
    /// `contradictory-constraints` for one that nothing satisfies.
    pub fn json_schema(schema: &str) -> Result<Self, GrammarError> {
        Self::new("the JSON schema", schema, MOST_SCHEMA_BYTES, |text| {
            let schema = serde_json::from_str(text).map_err(|error| error.to_string())?;
            Ok(TopLevelGrammar::from_json_schema(few_blanks(schema)))
        })
    }

    fn new(
        kind: &'static str,
        text: &str,
        most: usize,
        read: fn(&str) -> Result<TopLevelGrammar, String>,
    ) -> Result<Self, GrammarError> {
        let bad = |reason: &str| GrammarError::Bad(format!("{kind} cannot be used: {reason}"));
        if text.len() > most {
            return Err(bad(&format!(
                "it has {} bytes, and {most} are the most",
                text.len()
            )));
        }
        let matcher = deep(|| matcher(read(text)?)).map_err(|error| bad(&error))?;
        let mut constraint = Self {
            matcher,
            allowed: [false; 257],
            kind,
        };
        constraint.look();
        if let Some(error) = constraint.failure() {
            return Err(bad(&error));
        }
        if !constraint.allowed.contains(&true) {
            return Err(GrammarError::Contradictory(format!(
                "{kind} lets nothing through"
            )));
        }
        Ok(constraint)
    }

    /// The bytes that may come now, and at [`END`] whether the text may end here.
    pub fn allowed(&self) -> &ByteMask {
        &self.allowed
    }

    /// Whether the text may end here.
    pub fn may_end(&self) -> bool {
        self.allowed[END]
    }

    /// Reads a byte. After one that is not allowed nothing is.
    pub fn advance(&mut self, byte: u8) {
        if self.allowed[usize::from(byte)] {
            // What is refused leaves the matcher in a state that lets nothing through.
            let _ = self.matcher.consume_token(byte.into());
            self.look();
        } else {
            self.allowed = [false; 257];
        }
    }

    /// Why nothing is allowed any more, if the grammar became too much work on the way.
    pub fn failure(&self) -> Option<String> {
        let error = self.matcher.get_error()?;
        // What stands where the messages of longer builds list the grammar.
        Some(
            error
                .trim_end_matches("<non-verbose/>")
                .trim_end()
                .to_owned(),
        )
    }

    /// What to call it in messages.
    pub fn kind(&self) -> &'static str {
        self.kind
    }

    /// Finds out what may come.
    fn look(&mut self) {
        self.allowed = [false; 257];
        if self.matcher.is_stopped() {
            self.allowed[END] = !self.matcher.is_error();
            return;
        }
        self.allowed[END] = self.matcher.is_accepting().unwrap_or(false);
        match self.matcher.compute_mask() {
            Ok(mask) => {
                for (slot, byte) in self.allowed.iter_mut().zip(0..=255u8) {
                    *slot = mask.is_allowed(byte.into());
                }
            }
            Err(_) => self.allowed[END] = false,
        }
    }
}

/// Without a bound small models write blanks for ever: nothing forbids the next one.
fn few_blanks(mut schema: Value) -> Value {
    const BLANKS: &str = " |\\n[ ]{0,12}";
    if schema == Value::Bool(true) {
        schema = json!({});
    }
    if let Some(object) = schema.as_object_mut() {
        let options = object.entry("x-guidance").or_insert_with(|| json!({}));
        if let Some(options) = options.as_object_mut()
            && !options.contains_key("whitespace_flexible")
        {
            options
                .entry("whitespace_pattern")
                .or_insert_with(|| BLANKS.into());
        }
    }
    schema
}

fn matcher(grammar: TopLevelGrammar) -> Result<Matcher, String> {
    let bytes = ApproximateTokEnv::single_byte_env();
    // Slices speed up large vocabularies.
    let factory = ParserFactory::new(&bytes, InferenceCapabilities::default(), &[]);
    let mut factory = factory.map_err(|error| error.to_string())?;
    *factory.limits_mut() = parser_limits();
    let matcher = Matcher::new(factory.quiet().create_parser(grammar));
    match matcher.get_error() {
        Some(error) => Err(error),
        None => Ok(matcher),
    }
}

/// Runs `work` with room for the recursion that the longest texts can cause: nine thousand rules, each
/// inside the one before. In a browser running out of stack is an exception in JavaScript, and costs
/// no more than the module's instance.
#[cfg(not(target_family = "wasm"))]
fn deep<T: Send>(work: impl FnOnce() -> Result<T, String> + Send) -> Result<T, String> {
    /// Reserved, and used only as far as it is needed.
    const STACK: usize = 256 << 20;
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK);
        let running = thread
            .spawn_scoped(scope, work)
            .map_err(|e| e.to_string())?;
        let failed = |_| Err("the parser failed".to_owned());
        running.join().unwrap_or_else(failed)
    })
}

#[cfg(target_family = "wasm")]
fn deep<T>(work: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    work()
}
