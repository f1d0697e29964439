//! Chat templates: a conversation written the way a model was trained to read it.

use std::collections::BTreeMap;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, Error, ErrorKind, Value};
use serde::{Deserialize, Serialize};

use crate::TextError;
use crate::python::{self, Refused};

pub use crate::python::TemplateDate;

/// One turn of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatMessage {
    /// Who speaks: `system`, `user` or `assistant` in most templates.
    pub role: String,
    /// What is said.
    pub content: String,
}

impl ChatMessage {
    /// A message of `role` that says `content`.
    pub fn new(role: impl Into<String>, content: impl Into<String>) -> Self {
        Self {
            role: role.into(),
            content: content.into(),
        }
    }

    fn to_value(&self) -> Value {
        Value::from_pairs([
            ("role", self.role.as_str()),
            ("content", self.content.as_str()),
        ])
    }
}

/// What a template may know beside the messages.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TemplateOptions {
    /// Whether the text ends where the assistant's turn begins.
    pub add_generation_prompt: bool,
    /// The time that `strftime_now` tells. Without it the function is not defined, and
    /// templates fall back to the date written in them.
    pub date: Option<TemplateDate>,
    /// Further variables, such as `enable_thinking`.
    pub variables: serde_json::Map<String, serde_json::Value>,
}

/// A compiled chat template in the dialect of Jinja that model files use.
///
/// Blocks are trimmed (`trim_blocks`, `lstrip_blocks`), `break` and `continue`, Python's string
/// and dictionary methods, `namespace`, `tojson`, `raise_exception` and `strftime_now` are
/// there, `{% generation %}` marks are ignored. A template that runs without end is stopped.
#[derive(Debug, Clone)]
pub struct ChatTemplate {
    environment: Environment<'static>,
    bos: String,
    eos: String,
}

const NAME: &str = "chat";
/// Longer templates are no chat templates; the longest published ones have some 20 KiB.
const LONGEST: usize = 1 << 20;
/// Steps a template may take, one for each 64 bytes of text that it makes included. A large
/// conversation takes some ten thousand.
const FUEL: u64 = 2_000_000;

impl ChatTemplate {
    /// Compiles a template. `bos` and `eos` are what `bos_token` and `eos_token` stand for.
    ///
    /// # Errors
    /// `bad-template` with the line where the template does not parse.
    pub fn new(source: &str, bos: &str, eos: &str) -> Result<Self, TextError> {
        if source.len() > LONGEST {
            return Err(TextError::BadTemplate {
                line: None,
                message: format!("{} bytes are too long; at most {LONGEST}", source.len()),
            });
        }
        let mut environment = Environment::new();
        let syntax = SyntaxConfig::builder()
            .trim_blocks(true)
            .lstrip_blocks(true)
            .build()
            .map_err(bad_template)?;
        environment.set_syntax(syntax);
        environment.set_recursion_limit(250);
        environment
            .set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        environment.add_function("raise_exception", python::raise_exception);
        environment.add_filter("tojson", python::tojson);
        environment
            .add_template_owned(NAME, without_generation_marks(source))
            .map_err(bad_template)?;
        Ok(Self {
            environment,
            bos: bos.to_owned(),
            eos: eos.to_owned(),
        })
    }

    /// Writes the conversation; `add_generation_prompt` opens the assistant's turn at the end.
    ///
    /// The text holds all special tokens: encode it without adding any.
    ///
    /// # Errors
    /// `invalid-argument` without a message, or where the template refuses the messages;
    /// `bad-template` with the line where it fails or does not end.
    pub fn render(
        &self,
        messages: &[ChatMessage],
        add_generation_prompt: bool,
    ) -> Result<String, TextError> {
        self.render_with(
            messages,
            &TemplateOptions {
                add_generation_prompt,
                ..TemplateOptions::default()
            },
        )
    }

    /// As [`render`](ChatTemplate::render), with a date and variables of the template's own.
    ///
    /// # Errors
    /// As [`render`](ChatTemplate::render).
    pub fn render_with(
        &self,
        messages: &[ChatMessage],
        options: &TemplateOptions,
    ) -> Result<String, TextError> {
        if messages.is_empty() {
            return Err(TextError::InvalidArgument(
                "a chat needs at least one message; pass one of the role 'user'".to_owned(),
            ));
        }
        let mut context: BTreeMap<&str, Value> = BTreeMap::from([
            (
                "messages",
                messages.iter().map(ChatMessage::to_value).collect(),
            ),
            (
                "add_generation_prompt",
                Value::from(options.add_generation_prompt),
            ),
            ("bos_token", Value::from(self.bos.as_str())),
            ("eos_token", Value::from(self.eos.as_str())),
        ]);
        if let Some(date) = options.date {
            let strftime = move |format: &str| -> Result<String, Error> {
                date.strftime(format)
                    .map_err(|what| Error::new(ErrorKind::InvalidOperation, what))
            };
            context.insert("strftime_now", Value::from_function(strftime));
        }
        for (name, value) in &options.variables {
            context.insert(name, Value::from(Serde(value)));
        }
        let bytes: usize = messages
            .iter()
            .map(|m| m.content.len() + m.role.len())
            .sum();
        let mut environment = self.environment.clone();
        // Long messages are worked on by many steps, each paid for by length.
        environment.set_fuel(Some(FUEL.saturating_add(bytes as u64)));
        environment
            .get_template(NAME)
            .and_then(|template| template.render(Value::from(context)))
            .map_err(bad_template)
    }
}

fn bad_template(error: Error) -> TextError {
    let mut message = error.kind().to_string();
    if let Some(detail) = error.detail() {
        message = format!("{message}: {detail}");
    }
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        if let Some(Refused(reason)) = cause.downcast_ref() {
            return TextError::MessagesRefused(reason.clone());
        }
        message = format!("{message}: {cause}");
        source = cause.source();
    }
    if error.kind() == ErrorKind::OutOfFuel {
        message.push_str(" (the template does not end, or makes too much text)");
    }
    TextError::BadTemplate {
        line: error.line(),
        message,
    }
}

/// Turns the marks of Hugging Face's `{% generation %}` block, which only training needs, into
/// an `if` that is always true; lines stay where they are.
fn without_generation_marks(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(start) = rest.find("{%") {
        let (before, tag) = rest.split_at(start);
        out.push_str(before);
        let Some(end) = tag.find("%}") else {
            rest = tag;
            break;
        };
        let (tag, after) = tag.split_at(end + 2);
        let inner = tag.trim_start_matches("{%").trim_end_matches("%}");
        match inner.trim_matches(['-', '+']).trim() {
            "generation" => out.push_str(&tag.replacen("generation", "if true", 1)),
            "endgeneration" => out.push_str(&tag.replacen("endgeneration", "endif", 1)),
            _ => out.push_str(tag),
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generation_marks_become_a_block() {
        let source = "a{%- generation -%}b{% endgeneration %}{% if x %}c{% endif %}{%";
        assert_eq!(
            without_generation_marks(source),
            "a{%- if true -%}b{% endif %}{% if x %}c{% endif %}{%"
        );
    }
}
