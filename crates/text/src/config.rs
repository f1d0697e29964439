//! What `tokenizer_config.json` says beside `tokenizer.json`.

use serde_json::{Map, Value};

use crate::TextError;

/// The beginning and end of text, and the chat template, of a `tokenizer_config.json`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TokenizerConfig {
    /// Text of the token that begins a text.
    pub bos_token: Option<String>,
    /// Text of the token that ends a text or turn.
    pub eos_token: Option<String>,
    /// The Jinja template of a conversation; of several, the one named `default`.
    pub chat_template: Option<String>,
}

impl TokenizerConfig {
    /// Reads a `tokenizer_config.json`; what it does not know is left aside.
    ///
    /// # Errors
    /// `bad-tokenizer` where it is not JSON or an entry has another form.
    pub fn from_json(json: &[u8]) -> Result<Self, TextError> {
        let file: Map<String, Value> = serde_json::from_slice(json).map_err(|error| {
            TextError::tokenizer(format!(
                "tokenizer_config.json: {error}; load the file that comes with the model"
            ))
        })?;
        let entry = |key: &str| file.get(key).unwrap_or(&Value::Null);
        Ok(Self {
            bos_token: token("bos_token", entry("bos_token"))?,
            eos_token: token("eos_token", entry("eos_token"))?,
            chat_template: template(entry("chat_template"))?,
        })
    }
}

/// A token stands as its text, or as an object with the text in `content`.
fn token(key: &str, value: &Value) -> Result<Option<String>, TextError> {
    match (value, value.get("content")) {
        (Value::Null, _) => Ok(None),
        (Value::String(text), _) | (_, Some(Value::String(text))) => Ok(Some(text.clone())),
        _ => Err(form(key)),
    }
}

fn template(value: &Value) -> Result<Option<String>, TextError> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text.clone())),
        Value::Array(templates) => {
            let named = |name: &str| {
                templates
                    .iter()
                    .find(|entry| entry.get("name").and_then(Value::as_str) == Some(name))
            };
            let entry = named("default").or(templates.first());
            let text = entry.and_then(|entry| entry.get("template")?.as_str());
            Ok(text.map(str::to_owned))
        }
        _ => Err(form("chat_template")),
    }
}

fn form(key: &str) -> TextError {
    TextError::tokenizer(format!(
        "tokenizer_config.json: '{key}' is neither text nor null"
    ))
}
