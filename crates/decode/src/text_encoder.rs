use lexigraft_checkpoint::{ByteSource, Checkpoint};
use lexigraft_models::encoder::{Encoder, EncoderConfig};
use lexigraft_models::{ComputeDevice, LoadProgress};
use lexigraft_text::Tokenizer;
use serde::Serialize;

use crate::DecodeError;

/// Most tokens of a text unless told otherwise: what sentence-transformers' MiniLM models use.
const MAX_LENGTH: usize = 256;

/// What is known of a loaded encoder.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EncoderInfo {
    pub architecture: String,
    pub name: String,
    pub parameters: u64,
    pub hidden_size: usize,
    /// Longer texts are cut to this many tokens, special tokens included.
    pub max_length: usize,
    pub file_bytes: u64,
    pub resident_bytes: u64,
}

/// An encoder with its tokenizer: text to one vector of length one.
#[derive(Debug)]
pub struct TextEncoder {
    encoder: Encoder,
    tokenizer: Tokenizer,
    info: EncoderInfo,
}

impl TextEncoder {
    /// Loads weights, `config.json` and `tokenizer.json` onto `device`.
    ///
    /// # Errors
    /// `tokenizer-mismatch`, `bad-tokenizer`, and those of
    /// [`Encoder::load`](lexigraft_models::encoder::Encoder::load).
    pub async fn load<S: ByteSource>(
        checkpoint: &Checkpoint<S>,
        config_json: &[u8],
        tokenizer_json: &[u8],
        device: &ComputeDevice,
        progress: LoadProgress<'_>,
    ) -> Result<Self, DecodeError> {
        let config = EncoderConfig::from_json(config_json)?;
        let tokenizer = Tokenizer::from_json(tokenizer_json)?;
        if tokenizer.vocab_size() > config.vocab_size {
            return Err(DecodeError::TokenizerMismatch {
                tokenizer: tokenizer.vocab_size(),
                model: config.vocab_size,
            });
        }
        let encoder = Encoder::load(checkpoint, config, device, progress).await?;
        let config = encoder.config();
        let info = EncoderInfo {
            architecture: config.model_type.clone(),
            name: format!(
                "{} with {} layers of {}",
                config.model_type, config.num_hidden_layers, config.hidden_size
            ),
            parameters: encoder.parameters(),
            hidden_size: config.hidden_size,
            max_length: MAX_LENGTH.min(config.max_position_embeddings),
            file_bytes: checkpoint.source().len(),
            resident_bytes: encoder.resident_bytes(),
        };
        Ok(Self {
            encoder,
            tokenizer,
            info,
        })
    }

    pub fn info(&self) -> &EncoderInfo {
        &self.info
    }

    /// Ids as the encoder sees them: with special tokens, cut to the most it takes.
    pub fn tokenize(&self, text: &str) -> Result<Vec<u32>, DecodeError> {
        Ok(self
            .tokenizer
            .encode_truncated(text, self.info.max_length)?)
    }

    /// The embeddings `[hidden]` of texts, of length one each. An empty text has one too.
    ///
    /// Texts of as many tokens run together; what a text's embedding is does not depend on the others,
    /// but for roundings on a graphics card.
    pub async fn embed(&self, texts: &[impl AsRef<str>]) -> Result<Vec<Vec<f32>>, DecodeError> {
        let ids = texts.iter().map(|text| self.tokenize(text.as_ref()));
        let ids = ids.collect::<Result<Vec<_>, _>>()?;
        Ok(self.encoder.embed(&ids).await?)
    }
}
