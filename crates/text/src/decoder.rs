//! From tokens back to text: which bytes a token adds after those before it.

use serde_json::Value;

use crate::TextError;
use crate::bytes::Spelling;

/// How tokens become text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Decoder {
    pub(crate) spelling: Spelling,
    pub(crate) joining: Joining,
}

/// What stands between tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Joining {
    /// Nothing; up to `strip` spaces are dropped at the very start of the text.
    Bytes { strip: usize },
    /// Nothing; the first token loses all its spaces (the `Metaspace` decoder).
    FirstWithoutSpaces,
    /// A space before each token that does not start with `prefix`; `cleanup` closes the gaps
    /// before English punctuation.
    WordPiece { prefix: String, cleanup: bool },
    /// A space between any two tokens.
    Words,
}

impl Decoder {
    pub(crate) fn byte_level() -> Self {
        Self {
            spelling: Spelling::ByteLevel,
            joining: Joining::Bytes { strip: 0 },
        }
    }

    /// Reads the `decoder` of a `tokenizer.json`.
    pub(crate) fn from_json(value: &Value) -> Result<Self, TextError> {
        if value.is_null() {
            return Ok(Self {
                spelling: Spelling::Plain,
                joining: Joining::Words,
            });
        }
        let mut found = Found::default();
        found.read(value, 0)?;
        found.decoder()
    }

    /// The bytes that a token adds to the text, given whether it is the first.
    ///
    /// Stripping at the start is left to the caller: it can reach past one token.
    pub(crate) fn piece(&self, token: &[u8], first: bool) -> Vec<u8> {
        match &self.joining {
            Joining::Bytes { .. } => token.to_vec(),
            Joining::FirstWithoutSpaces => {
                let keep = |byte: &&u8| !first || **byte != b' ';
                token.iter().filter(keep).copied().collect()
            }
            Joining::WordPiece { prefix, cleanup } => {
                let piece = match (first, token.strip_prefix(prefix.as_bytes())) {
                    (true, _) => token.to_vec(),
                    (false, Some(rest)) => rest.to_vec(),
                    (false, None) => [b" ", token].concat(),
                };
                match (cleanup, std::str::from_utf8(&piece)) {
                    (true, Ok(text)) => close_gaps(text).into_bytes(),
                    _ => piece,
                }
            }
            Joining::Words if first => token.to_vec(),
            Joining::Words => [b" ", token].concat(),
        }
    }
}

/// The clean-up of the Hugging Face `WordPiece` decoder, in its order.
fn close_gaps(text: &str) -> String {
    const GAPS: [(&str, &str); 11] = [
        (" .", "."),
        (" ?", "?"),
        (" !", "!"),
        (" ,", ","),
        (" ' ", "'"),
        (" n't", "n't"),
        (" 'm", "'m"),
        (" do not", " don't"),
        (" 's", "'s"),
        (" 've", "'ve"),
        (" 're", "'re"),
    ];
    GAPS.iter()
        .fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}

/// What the parts of a decoder say, gathered in their order.
#[derive(Default)]
struct Found {
    byte_level: bool,
    mark: Option<char>,
    byte_fallback: bool,
    fused: bool,
    strip: usize,
    joining: Option<Joining>,
}

impl Found {
    fn read(&mut self, value: &Value, depth: usize) -> Result<(), TextError> {
        let kind = value.get("type").and_then(Value::as_str).unwrap_or("");
        let text = |key: &str| value.get(key).and_then(Value::as_str);
        match kind {
            "ByteLevel" => self.byte_level = true,
            "ByteFallback" => self.byte_fallback = true,
            "Fuse" => self.fused = true,
            "WordPiece" => {
                self.joining = Some(Joining::WordPiece {
                    prefix: text("prefix").unwrap_or("##").to_owned(),
                    cleanup: value
                        .get("cleanup")
                        .and_then(Value::as_bool)
                        .unwrap_or(true),
                });
            }
            "Metaspace" => {
                self.mark = Some(single_char(
                    text("replacement").unwrap_or("\u{2581}"),
                    kind,
                )?);
                let never = match text("prepend_scheme") {
                    Some(scheme) => scheme == "never",
                    None => value.get("add_prefix_space") == Some(&Value::Bool(false)),
                };
                if !never {
                    self.joining = Some(Joining::FirstWithoutSpaces);
                }
            }
            "Replace" if text("content") == Some(" ") => {
                let pattern = value.get("pattern").and_then(|p| p.get("String"));
                let pattern = pattern.and_then(Value::as_str).unwrap_or("");
                self.mark = Some(single_char(pattern, kind)?);
            }
            "Strip" => {
                let number = |key: &str| value.get(key).and_then(Value::as_u64).unwrap_or(0);
                // Before `Fuse` it would strip every token, and at the end it would need the
                // whole text before the first piece could be shown.
                if text("content") != Some(" ") || number("stop") != 0 || !self.fused {
                    return Err(unsupported("a Strip other than of spaces at the start"));
                }
                self.strip = usize::try_from(number("start")).unwrap_or(usize::MAX);
            }
            "Sequence" if depth < 4 => {
                let parts = value.get("decoders").and_then(Value::as_array);
                for part in parts.into_iter().flatten() {
                    self.read(part, depth + 1)?;
                }
            }
            other => return Err(unsupported(&format!("'{other}'"))),
        }
        Ok(())
    }

    fn decoder(self) -> Result<Decoder, TextError> {
        let marked = self.mark.is_some() || self.byte_fallback;
        if usize::from(self.byte_level)
            + usize::from(marked)
            + usize::from(matches!(self.joining, Some(Joining::WordPiece { .. })))
            > 1
        {
            return Err(unsupported("a mixture of byte-level, marked and WordPiece"));
        }
        let spelling = if self.byte_level {
            Spelling::ByteLevel
        } else if marked {
            Spelling::Marked {
                mark: self.mark.unwrap_or(' '),
                byte_fallback: self.byte_fallback,
            }
        } else {
            Spelling::Plain
        };
        let joining = self.joining.unwrap_or(Joining::Bytes { strip: self.strip });
        Ok(Decoder { spelling, joining })
    }
}

fn single_char(text: &str, kind: &str) -> Result<char, TextError> {
    let mut chars = text.chars();
    match (chars.next(), chars.next()) {
        (Some(c), None) => Ok(c),
        _ => Err(unsupported(&format!(
            "a {kind} of '{text}' rather than of one character"
        ))),
    }
}

fn unsupported(what: &str) -> TextError {
    TextError::tokenizer(format!(
        "tokenizer.json: the decoder {what} is not supported; supported are ByteLevel, \
         Metaspace, WordPiece, and sequences of Replace (of one character by a space), \
         ByteFallback, Fuse and Strip (of spaces at the start)"
    ))
}
