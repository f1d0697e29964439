use std::sync::{Arc, Mutex};

use burn::tensor::Tensor;
use lexigraft_checkpoint::{ByteSource, Checkpoint};
use lexigraft_models::decoder::{Decoder, DecoderConfig, KvCache};
use lexigraft_models::device::read_f32;
use lexigraft_models::{ComputeDevice, LoadProgress};
use lexigraft_text::{ChatMessage, ChatTemplate, Tokenizer, TokenizerConfig};
use serde::Serialize;

use crate::generation::PREFILL_CHUNK;
use crate::vocabulary::tokenizer_of;
use crate::{DecodeError, Generation, GenerationOptions, Scoring};

/// What a caller gives beside the weights.
#[derive(Debug, Clone, Copy, Default)]
pub struct LoadOptions<'a> {
    /// `tokenizer.json`; needed when the file holds no tokenizer, else it takes its place.
    pub tokenizer_json: Option<&'a [u8]>,
    /// `tokenizer_config.json`, for the chat template and the end token of a safetensors model.
    pub tokenizer_config_json: Option<&'a [u8]>,
    /// `config.json`; needed for safetensors.
    pub config_json: Option<&'a [u8]>,
    /// Fewer tokens than the model was trained with, to save memory.
    pub context_length: Option<usize>,
}

/// What is known of a loaded model.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ModelInfo {
    pub architecture: String,
    pub name: String,
    pub parameters: u64,
    pub layers: usize,
    pub hidden_size: usize,
    pub vocab_size: usize,
    pub context_length: usize,
    /// The type that holds most of the file's bytes, for example `Q4_1`.
    pub quantization: String,
    pub file_bytes: u64,
    /// Bytes of the weights on the device.
    pub resident_bytes: u64,
    pub has_chat_template: bool,
}

/// A decoder with its tokenizer. Clones share the weights.
#[derive(Clone, Debug)]
pub struct LanguageModel {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    decoder: Decoder,
    tokenizer: Tokenizer,
    chat_template: Option<ChatTemplate>,
    info: ModelInfo,
    /// The cache of the last generation: the next turn of a chat begins with the same tokens.
    idle_cache: Mutex<Option<CachedTokens>>,
}

/// A cache and the tokens in it.
#[derive(Debug)]
pub(crate) struct CachedTokens {
    pub cache: KvCache,
    pub ids: Vec<u32>,
}

impl LanguageModel {
    /// Loads tokenizer and weights onto `device`.
    ///
    /// The tokenizer and the configuration are checked before the weights are read, so that a
    /// file that cannot work fails at once.
    ///
    /// # Errors
    /// `tokenizer-missing`, `tokenizer-mismatch`, and those of
    /// [`Decoder::load`](lexigraft_models::decoder::Decoder::load).
    pub async fn load<S: ByteSource>(
        checkpoint: &Checkpoint<S>,
        options: LoadOptions<'_>,
        device: &ComputeDevice,
        progress: LoadProgress<'_>,
    ) -> Result<Self, DecodeError> {
        let mut config = DecoderConfig::from_checkpoint(checkpoint, options.config_json)?;
        if let Some(tokens) = options.context_length {
            config = config.with_context_length(tokens)?;
        }
        let mut tokenizer = match options.tokenizer_json {
            Some(json) => Tokenizer::from_json(json)?,
            None => tokenizer_of(checkpoint)?,
        };
        let mut template = checkpoint
            .metadata()
            .get_str("tokenizer.chat_template")?
            .map(str::to_owned);
        if let Some(json) = options.tokenizer_config_json {
            let config = TokenizerConfig::from_json(json)?;
            tokenizer = tokenizer.with_config(&config)?;
            template = config.chat_template.or(template);
        }
        // Embeddings are often padded to a round number of rows; the other way round, ids would
        // point outside.
        if tokenizer.vocab_size() > config.vocab_size {
            return Err(DecodeError::TokenizerMismatch {
                tokenizer: tokenizer.vocab_size(),
                model: config.vocab_size,
            });
        }
        let chat_template = template
            .map(|source| chat_template(&source, &tokenizer))
            .transpose()?;
        let decoder = Decoder::load(checkpoint, config, device, progress).await?;
        let config = decoder.config();
        let info = ModelInfo {
            architecture: config.architecture.clone(),
            name: config.name.clone(),
            parameters: config.parameters(),
            layers: config.layers,
            hidden_size: config.hidden_size,
            vocab_size: config.vocab_size,
            context_length: config.context_length,
            quantization: quantization(checkpoint),
            file_bytes: checkpoint.source().len(),
            resident_bytes: decoder.resident_bytes(),
            has_chat_template: chat_template.is_some(),
        };
        Ok(Self {
            inner: Arc::new(Inner {
                decoder,
                tokenizer,
                chat_template,
                info,
                idle_cache: Mutex::new(None),
            }),
        })
    }

    /// The same layers under another vocabulary: `decoder` is this model's
    /// [`with_vocabulary`](Decoder::with_vocabulary). Weights and chat template are shared with
    /// `self`; the cache of keys and values is not.
    ///
    /// # Errors
    /// `tokenizer-mismatch` when the tokenizer has more tokens than the decoder has rows.
    pub fn graft(&self, decoder: Decoder, tokenizer: Tokenizer) -> Result<Self, DecodeError> {
        let config = decoder.config();
        if tokenizer.vocab_size() > config.vocab_size {
            return Err(DecodeError::TokenizerMismatch {
                tokenizer: tokenizer.vocab_size(),
                model: config.vocab_size,
            });
        }
        let info = ModelInfo {
            parameters: config.parameters(),
            vocab_size: config.vocab_size,
            resident_bytes: decoder.resident_bytes(),
            ..self.inner.info.clone()
        };
        Ok(Self {
            inner: Arc::new(Inner {
                decoder,
                tokenizer,
                chat_template: self.inner.chat_template.clone(),
                info,
                idle_cache: Mutex::new(None),
            }),
        })
    }

    pub fn info(&self) -> &ModelInfo {
        &self.inner.info
    }

    pub fn tokenizer(&self) -> &Tokenizer {
        &self.inner.tokenizer
    }

    pub fn decoder(&self) -> &Decoder {
        &self.inner.decoder
    }

    /// The prompt that the model's own chat template makes of `messages`.
    ///
    /// # Errors
    /// `bad-template` when the model has none or it fails.
    pub fn apply_chat_template(
        &self,
        messages: &[ChatMessage],
        add_generation_prompt: bool,
    ) -> Result<String, DecodeError> {
        let template = self
            .inner
            .chat_template
            .as_ref()
            .ok_or(DecodeError::NoChatTemplate)?;
        Ok(template.render(messages, add_generation_prompt)?)
    }

    /// Starts a generation; nothing runs until [`Generation::next`] is called.
    ///
    /// # Errors
    /// `prompt-too-long`, `invalid-argument` for an empty prompt or options outside their ranges.
    pub fn generate(
        &self,
        prompt: &str,
        options: GenerationOptions,
    ) -> Result<Generation, DecodeError> {
        let ids = self.inner.tokenizer.encode(prompt, options.add_special)?;
        Generation::new(self.clone(), ids, options)
    }

    /// Starts scoring `text`; nothing runs until [`Scoring::next`] is called.
    ///
    /// # Errors
    /// `invalid-argument` for a text of fewer than two tokens.
    pub fn score(&self, text: &str) -> Result<Scoring, DecodeError> {
        Scoring::new(self.clone(), text)
    }

    /// Logits `[vocab]` after the last of `ids`.
    ///
    /// # Errors
    /// `prompt-too-long`, `invalid-argument` for no ids or one outside the vocabulary.
    pub async fn logits(&self, ids: &[u32]) -> Result<Vec<f32>, DecodeError> {
        let decoder = self.decoder();
        let context = decoder.config().context_length;
        if ids.len() > context {
            return Err(DecodeError::PromptTooLong {
                tokens: ids.len(),
                context,
            });
        }
        let mut cache = decoder.new_cache(ids.len())?;
        let mut hidden: Option<Tensor<2>> = None;
        for chunk in ids.chunks(PREFILL_CHUNK) {
            hidden = Some(decoder.forward(chunk, &mut cache)?);
        }
        let hidden = hidden.ok_or_else(|| {
            DecodeError::InvalidArgument("logits need at least one token".to_owned())
        })?;
        self.last_logits(hidden).await
    }

    /// Logits `[vocab]` of the last row of `hidden`, on the host.
    pub(crate) async fn last_logits(&self, hidden: Tensor<2>) -> Result<Vec<f32>, DecodeError> {
        Ok(read_f32(self.decoder().last_logits(hidden)).await?)
    }

    /// The id with the largest logit after the last row of `hidden`, where the device chooses.
    /// `None` if it does not, or no logit is a number.
    pub(crate) async fn last_likeliest(
        &self,
        hidden: Tensor<2>,
    ) -> Result<Option<u32>, DecodeError> {
        Ok(self.decoder().last_likeliest(hidden).await?)
    }

    /// The `k` largest logits after the last row of `hidden` with their ids, where the device
    /// chooses them.
    pub(crate) async fn last_top_k(
        &self,
        hidden: Tensor<2>,
        k: usize,
    ) -> Result<Option<Vec<(u32, f32)>>, DecodeError> {
        Ok(self.decoder().last_top_k(hidden, k).await?)
    }

    /// Takes the idle cache, if there is one.
    pub(crate) fn take_cache(&self) -> Option<CachedTokens> {
        self.inner.idle_cache.lock().ok()?.take()
    }

    /// Leaves a cache for the next generation; of several the last one stays.
    pub(crate) fn give_back(&self, cached: CachedTokens) {
        if let Ok(mut slot) = self.inner.idle_cache.lock() {
            *slot = Some(cached);
        }
    }
}

fn chat_template(source: &str, tokenizer: &Tokenizer) -> Result<ChatTemplate, DecodeError> {
    let text = |id: Option<u32>| {
        id.and_then(|id| tokenizer.token_bytes(id))
            .map(|bytes| String::from_utf8_lossy(bytes).into_owned())
            .unwrap_or_default()
    };
    Ok(ChatTemplate::new(
        source,
        &text(tokenizer.bos()),
        &text(tokenizer.eos()),
    )?)
}

fn quantization<S: ByteSource>(checkpoint: &Checkpoint<S>) -> String {
    let mut bytes: Vec<(String, u64)> = Vec::new();
    for tensor in checkpoint.tensors() {
        let name = tensor.dtype.name();
        let len = tensor.range.end - tensor.range.start;
        match bytes.iter_mut().find(|(known, _)| known == name) {
            Some((_, sum)) => *sum += len,
            None => bytes.push((name.to_owned(), len)),
        }
    }
    bytes
        .into_iter()
        .max_by_key(|(_, sum)| *sum)
        .map_or_else(|| "none".to_owned(), |(name, _)| name)
}
