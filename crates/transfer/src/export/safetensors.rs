//! safetensors with its JSON files, as Hugging Face transformers loads a Llama.

use std::io::Write;
use std::ops::ControlFlow;

use lexigraft_checkpoint::dequant::dequantize;
use lexigraft_checkpoint::{ByteSource, Checkpoint, DType, Format, quantize};
use lexigraft_models::RopeScaling;
use lexigraft_models::decoder::DecoderConfig;
use serde_json::{Map, Value, json};

use super::io_error;
use crate::{BlockStore, StoredRows, TransferError, Vocabulary};

/// What stands beside the weights.
#[derive(Debug, Clone, PartialEq)]
pub struct SafetensorsFiles {
    /// `config.json`.
    pub config: String,
    /// `tokenizer_config.json`.
    pub tokenizer_config: String,
}

/// GGUF's name of a part of a block, Hugging Face's, and whether its rows are rotary pairs.
const PARTS: [(&str, &str, bool); 9] = [
    ("attn_norm", "input_layernorm", false),
    ("attn_q", "self_attn.q_proj", true),
    ("attn_k", "self_attn.k_proj", true),
    ("attn_v", "self_attn.v_proj", false),
    ("attn_output", "self_attn.o_proj", false),
    ("ffn_norm", "post_attention_layernorm", false),
    ("ffn_gate", "mlp.gate_proj", false),
    ("ffn_up", "mlp.up_proj", false),
    ("ffn_down", "mlp.down_proj", false),
];

/// Values that are written at once.
const CHUNK: usize = 1 << 20;

/// A tensor of the new file: its name and shape, and where its values are.
struct Part<'a, B> {
    name: String,
    shape: Vec<usize>,
    values: Values<'a, B>,
}

enum Values<'a, B> {
    /// A tensor of the checkpoint; rows of rotary pairs have heads of this size.
    Stored(String, Option<usize>),
    Rows(&'a StoredRows<B>),
    Host(&'a [f32]),
}

/// Writes the weights of a grafted model in half precision, every tensor under its Hugging Face
/// name, and returns the files that belong beside them; `tokenizer.json` is the target's own.
///
/// The bias of a head goes into `lm_head.bias`, which this toolkit reads and transformers' Llama
/// leaves out with a warning.
///
/// # Errors
/// `missing-tensor`, `unsupported-type`; `io`; `aborted`.
pub async fn write_safetensors<S: ByteSource, B: BlockStore, W: Write>(
    checkpoint: &Checkpoint<S>,
    config: &DecoderConfig,
    tokenizer: &lexigraft_text::Tokenizer,
    vocabulary: &Vocabulary<B>,
    mut out: W,
    mut progress: impl FnMut(u64, u64) -> ControlFlow<()>,
) -> Result<SafetensorsFiles, TransferError> {
    let parts = parts(checkpoint, config, vocabulary)?;
    let mut header = Map::new();
    header.insert("__metadata__".to_owned(), json!({"format": "pt"}));
    let mut offset = 0u64;
    for part in &parts {
        let bytes = part.shape.iter().product::<usize>() as u64 * 2;
        header.insert(
            part.name.clone(),
            json!({"dtype": "F16", "shape": part.shape, "data_offsets": [offset, offset + bytes]}),
        );
        offset += bytes;
    }
    let mut header = Value::Object(header).to_string();
    // Data begins at a multiple of eight.
    header.extend(std::iter::repeat_n(
        ' ',
        header.len().next_multiple_of(8) - header.len(),
    ));
    let mut write = |bytes: &[u8]| out.write_all(bytes).map_err(io_error);
    write(&(header.len() as u64).to_le_bytes())?;
    write(header.as_bytes())?;
    let mut done = 0;
    let mut put = |values: &[f32]| {
        let mut bytes = Vec::with_capacity(values.len() * 2);
        quantize(DType::F16, values, &mut bytes)?;
        write(&bytes)?;
        done += bytes.len() as u64;
        match progress(done, offset) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(TransferError::Aborted),
        }
    };
    for part in &parts {
        match &part.values {
            Values::Stored(name, rotary) => {
                let values = part.stored(checkpoint, name, *rotary).await?;
                values.chunks(CHUNK).try_for_each(&mut put)?;
            }
            // A vocabulary is never in `f32` as a whole.
            Values::Rows(rows) => {
                let bytes = CHUNK / rows.columns() * rows.row_bytes();
                let mut values = Vec::new();
                let mut first = 0;
                while first < rows.len() {
                    let chunk = rows.chunk(first, bytes).await?;
                    let count = chunk.len() / rows.row_bytes();
                    values.resize(count * rows.columns(), 0.0);
                    dequantize(rows.dtype(), &chunk, &mut values)?;
                    put(&values)?;
                    first += count;
                }
            }
            Values::Host(values) => values.chunks(CHUNK).try_for_each(&mut put)?,
        }
    }
    out.flush().map_err(io_error)?;
    Ok(SafetensorsFiles {
        config: config_json(config, vocabulary)?.to_string(),
        tokenizer_config: tokenizer_config(checkpoint, tokenizer)?.to_string(),
    })
}

impl<B> Part<'_, B> {
    /// A tensor of the checkpoint in the order of this file.
    async fn stored<S: ByteSource>(
        &self,
        checkpoint: &Checkpoint<S>,
        name: &str,
        rotary: Option<usize>,
    ) -> Result<Vec<f32>, TransferError> {
        let keep_on = |_| ControlFlow::Continue(());
        let values = checkpoint
            .read_f32(checkpoint.tensor(name)?, keep_on)
            .await?;
        Ok(match rotary {
            Some(head_dim) => halves(&values, self.shape.get(1).copied(), head_dim),
            None => values,
        })
    }
}

/// Within each head, row `2 i` goes to `i` and row `2 i + 1` to `i + head_dim / 2`.
fn halves(values: &[f32], columns: Option<usize>, head_dim: usize) -> Vec<f32> {
    let columns = columns.unwrap_or(1).max(1);
    let mut out = Vec::with_capacity(values.len());
    for head in values.chunks_exact((head_dim * columns).max(1)) {
        for parity in 0..2 {
            let rows = head.chunks_exact(columns).skip(parity).step_by(2);
            rows.for_each(|row| out.extend_from_slice(row));
        }
    }
    out
}

fn parts<'a, S: ByteSource, B: BlockStore>(
    checkpoint: &Checkpoint<S>,
    config: &DecoderConfig,
    vocabulary: &'a Vocabulary<B>,
) -> Result<Vec<Part<'a, B>>, TransferError> {
    let gguf = matches!(checkpoint.format(), Format::Gguf { .. });
    let of = |rows: &'a StoredRows<B>, name: &str| Part {
        name: name.to_owned(),
        shape: vec![rows.len(), rows.columns()],
        values: Values::Rows(rows),
    };
    let stored = |from: String, name: String, rotary: bool| -> Result<Part<'a, B>, TransferError> {
        let info = checkpoint.tensor(&from)?;
        let head_dim = (rotary && gguf).then_some(config.head_dim);
        Ok(Part {
            name,
            shape: info.shape.clone(),
            values: Values::Stored(from, head_dim),
        })
    };
    let mut parts = vec![of(&vocabulary.input, "model.embed_tokens.weight")];
    for layer in 0..config.layers {
        for (short, long, rotary) in PARTS {
            let name = format!("model.layers.{layer}.{long}.weight");
            let from = match gguf {
                true => format!("blk.{layer}.{short}.weight"),
                false => name.clone(),
            };
            parts.push(stored(from, name, rotary)?);
        }
    }
    let norm = "model.norm.weight".to_owned();
    let from = match gguf {
        true => "output_norm.weight".to_owned(),
        false => norm.clone(),
    };
    parts.push(stored(from, norm, false)?);
    if let Some(head) = &vocabulary.output {
        parts.push(of(head, "lm_head.weight"));
    }
    if let Some(bias) = &vocabulary.bias {
        parts.push(Part {
            name: "lm_head.bias".to_owned(),
            shape: vec![bias.len()],
            values: Values::Host(bias),
        });
    }
    Ok(parts)
}

fn config_json<B: BlockStore>(
    config: &DecoderConfig,
    vocabulary: &Vocabulary<B>,
) -> Result<Value, TransferError> {
    let scaling = match &config.rope_scaling {
        RopeScaling::None => Value::Null,
        RopeScaling::Linear { factor } => json!({"rope_type": "linear", "factor": factor}),
        RopeScaling::Llama3 {
            factor,
            low_freq_factor,
            high_freq_factor,
            original_context,
        } => json!({
            "rope_type": "llama3",
            "factor": factor,
            "low_freq_factor": low_freq_factor,
            "high_freq_factor": high_freq_factor,
            "original_max_position_embeddings": original_context,
        }),
        RopeScaling::Divisors(_) => {
            return Err(TransferError::InvalidArgument(
                "this model's rotary frequencies are a table, which config.json has no field for; \
                 write GGUF"
                    .to_owned(),
            ));
        }
    };
    Ok(json!({
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "torch_dtype": "float16",
        "hidden_act": "silu",
        "vocab_size": vocabulary.input.len(),
        "hidden_size": config.hidden_size,
        "intermediate_size": config.feed_forward_size,
        "num_hidden_layers": config.layers,
        "num_attention_heads": config.heads,
        "num_key_value_heads": config.kv_heads,
        "head_dim": config.head_dim,
        "max_position_embeddings": config.context_length,
        "rms_norm_eps": config.norm_eps,
        "rope_theta": config.rope_theta,
        "rope_scaling": scaling,
        "tie_word_embeddings": vocabulary.output.is_none(),
    }))
}

fn tokenizer_config<S: ByteSource>(
    checkpoint: &Checkpoint<S>,
    tokenizer: &lexigraft_text::Tokenizer,
) -> Result<Value, TransferError> {
    let name = |id: Option<u32>| {
        let bytes = id.and_then(|id| tokenizer.token_bytes(id))?;
        Some(String::from_utf8_lossy(bytes).into_owned())
    };
    Ok(json!({
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": name(tokenizer.bos()),
        "eos_token": name(tokenizer.eos()),
        "chat_template": checkpoint.metadata().get_str("tokenizer.chat_template")?,
    }))
}
