//! Text in and out of models: tokenizers, streaming decoding, chat templates.
//!
//! * [`Tokenizer`] reads a Hugging Face `tokenizer.json` or the vocabulary of a GGUF file
//!   ([`GgufVocabulary`]), turns text into ids and ids into text, and knows the exact bytes
//!   of every token.
//! * [`StreamDecoder`] turns ids into text one by one and never emits half a character.
//! * [`ChatTemplate`] renders a conversation with the Jinja template that comes with a model.
//! * [`TokenizerConfig`] reads the parts of `tokenizer_config.json` that `tokenizer.json` lacks.
//!
//! * [`ByteVocabulary`] looks at a tokenizer from the side of bytes: a trie over its tokens, and
//!   which token may follow which others in an encoding of its own.
//!
//! The crate knows nothing of tensors or files. Input is never trusted: a bad vocabulary or
//! template is a [`TextError`] with a stable [code](TextError::code), never a panic.
//!
//! ```
//! use lexigraft_text::{ChatMessage, ChatTemplate, Tokenizer};
//!
//! let json = br#"{
//!     "decoder": {"type": "ByteLevel"},
//!     "model": {"type": "BPE", "vocab": {"h": 0, "i": 1, "hi": 2}, "merges": ["h i"]}
//! }"#;
//! let tokenizer = Tokenizer::from_json(json)?;
//! assert_eq!(tokenizer.encode("hih", true)?, [2, 0]);
//! assert_eq!(tokenizer.token_bytes(2), Some(&b"hi"[..]));
//!
//! let mut stream = tokenizer.stream_decoder(true);
//! assert_eq!(stream.push(2)?, "hi");
//!
//! let source = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}";
//! let template = ChatTemplate::new(source, "<s>", "</s>")?;
//! let messages = [ChatMessage::new("user", "Hello")];
//! assert_eq!(template.render(&messages, true)?, "user: Hello\n");
//! # Ok::<(), lexigraft_text::TextError>(())
//! ```

#![warn(missing_docs)]
#![forbid(unsafe_code)]

mod byte_level;
mod bytes;
mod chat;
mod config;
mod decoder;
mod encoder;
mod error;
mod gguf;
mod gguf_from_json;
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

pub use byte_level::{
    ByteDecomposer, ByteVocabulary, CanonicalState, Check, TrieNode, VocabularyTrie,
};
pub use chat::{ChatMessage, ChatTemplate, TemplateDate, TemplateOptions};
pub use config::TokenizerConfig;
pub use error::TextError;
pub use gguf::GgufVocabulary;
pub use stream::StreamDecoder;
pub use tokenizer::Tokenizer;
