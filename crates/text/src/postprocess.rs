//! The tokens that a tokenizer puts around a text.

use serde::Deserialize;
use serde_json::Value;

use crate::TextError;

/// Ids before and after a text when special tokens are asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) before: Vec<u32>,
    pub(crate) after: Vec<u32>,
}

impl Frame {
    pub(crate) fn len(&self) -> usize {
        self.before.len() + self.after.len()
    }

    /// Reads the `post_processor` of a `tokenizer.json`; only its form for one text is used.
    pub(crate) fn from_json(value: &Value) -> Result<Self, TextError> {
        let mut frame = Self::default();
        frame.read(value, 0)?;
        Ok(frame)
    }

    fn read(&mut self, value: &Value, depth: usize) -> Result<(), TextError> {
        let kind = value.get("type").and_then(Value::as_str).unwrap_or("");
        match kind {
            _ if value.is_null() => Ok(()),
            // It only trims offsets.
            "ByteLevel" => Ok(()),
            "TemplateProcessing" => self.read_template(value),
            "BertProcessing" | "RobertaProcessing" => {
                let id = |key: &str| -> Result<u32, TextError> {
                    let pair: (String, u32) = field(value, key)?;
                    Ok(pair.1)
                };
                self.wrap(vec![id("cls")?], vec![id("sep")?]);
                Ok(())
            }
            "Sequence" if depth < 4 => {
                let parts = value.get("processors").and_then(Value::as_array);
                for part in parts.into_iter().flatten() {
                    self.read(part, depth + 1)?;
                }
                Ok(())
            }
            other => Err(TextError::tokenizer(format!(
                "tokenizer.json: the post-processor '{other}' is not supported; supported are \
                 TemplateProcessing, BertProcessing, RobertaProcessing, ByteLevel and Sequence"
            ))),
        }
    }

    fn read_template(&mut self, value: &Value) -> Result<(), TextError> {
        #[derive(Deserialize)]
        enum Piece {
            Sequence { id: String },
            SpecialToken { id: String },
        }
        let pieces: Vec<Piece> = field(value, "single")?;
        let (mut before, mut after, mut seen) = (Vec::new(), Vec::new(), false);
        for piece in pieces {
            match piece {
                Piece::Sequence { id } if id == "A" && !seen => seen = true,
                Piece::Sequence { .. } => return Err(bad("'single' must hold sequence A once")),
                Piece::SpecialToken { id } => {
                    let ids: Vec<u32> = value
                        .get("special_tokens")
                        .and_then(|tokens| tokens.get(&id))
                        .ok_or_else(|| bad(&format!("'special_tokens' lacks '{id}'")))
                        .and_then(|token| field(token, "ids"))?;
                    if seen { &mut after } else { &mut before }.extend(ids);
                }
            }
        }
        if !seen {
            return Err(bad("'single' must hold sequence A once"));
        }
        self.wrap(before, after);
        Ok(())
    }

    fn wrap(&mut self, mut before: Vec<u32>, after: Vec<u32>) {
        before.append(&mut self.before);
        self.before = before;
        self.after.extend(after);
    }
}

fn field<T: serde::de::DeserializeOwned>(value: &Value, key: &str) -> Result<T, TextError> {
    let found = value
        .get(key)
        .ok_or_else(|| bad(&format!("'{key}' is missing")))?;
    serde_json::from_value(found.clone()).map_err(|error| bad(&format!("'{key}': {error}")))
}

fn bad(what: &str) -> TextError {
    TextError::tokenizer(format!(
        "tokenizer.json: the post-processor cannot be used: {what}"
    ))
}
