//! Text in and out of models: tokenizers, streaming decoding, chat templates.
//!
//! * [`Tokenizer`] reads a Hugging Face `tokenizer.json` or the vocabulary of a GGUF file
//!   ([`GgufVocabulary`]), turns text into ids and ids into text, and knows the exact bytes
//!   of every token.
//! * [`StreamDecoder`] turns ids into text one by one and never emits half a character.
//! * [`ChatTemplate`] renders a conversation with the Jinja template that comes with a model.
//! * [`TokenizerConfig`] reads the parts of `tokenizer_config.json` that `tokenizer.json` lacks.
//!
//! The crate knows nothing of tensors or files. Input is never trusted: a bad vocabulary or
//! template is a [`TextError`] with a stable [code](TextError::code), never a panic.

#![warn(missing_docs)]
#![forbid(unsafe_code)]

mod bytes;
mod chat;
mod config;
mod decoder;
mod encoder;
mod error;
mod gguf;
mod json;
mod json_parts;
mod postprocess;
mod pretokenizers;
mod python;
mod sentencepiece;
mod special;
mod stream;
mod tokenizer;
mod vocabulary;

pub use chat::{ChatMessage, ChatTemplate, TemplateDate, TemplateOptions};
pub use config::TokenizerConfig;
pub use error::TextError;
pub use gguf::GgufVocabulary;
pub use stream::StreamDecoder;
pub use tokenizer::Tokenizer;
