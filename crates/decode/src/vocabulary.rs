//! The tokenizer that a checkpoint's metadata holds.

use lexigraft_checkpoint::{Checkpoint, Metadata};
use lexigraft_text::{GgufVocabulary, Tokenizer};

use crate::DecodeError;

/// The tokenizer that a GGUF file holds.
///
/// # Errors
/// `tokenizer-missing` when it holds none, `bad-tokenizer` when it cannot be used.
pub fn tokenizer_of<S>(checkpoint: &Checkpoint<S>) -> Result<Tokenizer, DecodeError>
where
    S: lexigraft_checkpoint::ByteSource,
{
    tokenizer_from_metadata(checkpoint.metadata())
}

fn tokenizer_from_metadata(metadata: &Metadata) -> Result<Tokenizer, DecodeError> {
    let model = metadata
        .get_str("tokenizer.ggml.model")?
        .ok_or(DecodeError::TokenizerMissing)?;
    let id = |name: &str| -> Result<Option<u32>, DecodeError> {
        let key = format!("tokenizer.ggml.{name}_token_id");
        let id = metadata.get_u64(&key)?;
        // Beyond 32 bits is beyond any vocabulary: the tokenizer refuses it as such.
        Ok(id.map(|id| u32::try_from(id).unwrap_or(u32::MAX)))
    };
    let strings = |key: &str| -> Result<Option<Vec<String>>, DecodeError> {
        Ok(metadata.get_str_array(key)?.map(<[String]>::to_vec))
    };
    let vocabulary = GgufVocabulary {
        model: model.to_owned(),
        pre: metadata.get_str("tokenizer.ggml.pre")?.map(str::to_owned),
        tokens: strings("tokenizer.ggml.tokens")?.unwrap_or_default(),
        token_types: metadata
            .get_u64_array("tokenizer.ggml.token_type")?
            .map(|types| types.iter().map(|&t| t as u32).collect()),
        scores: metadata
            .get_f64_array("tokenizer.ggml.scores")?
            .map(|scores| scores.iter().map(|&s| s as f32).collect()),
        merges: strings("tokenizer.ggml.merges")?,
        bos: id("bos")?,
        eos: id("eos")?,
        unk: id("unknown")?,
        pad: id("padding")?,
        add_bos: metadata.get_bool("tokenizer.ggml.add_bos_token")?,
        add_eos: metadata.get_bool("tokenizer.ggml.add_eos_token")?,
        add_space_prefix: metadata.get_bool("tokenizer.ggml.add_space_prefix")?,
        chat_template: metadata
            .get_str("tokenizer.chat_template")?
            .map(str::to_owned),
    };
    Ok(Tokenizer::from_gguf(vocabulary)?)
}
