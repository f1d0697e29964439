//! The frozen language model in singles.

use std::ops::ControlFlow;
use std::sync::Arc;

use burn::tensor::{Device, Tensor, TensorData};
use lexigraft_checkpoint::{ByteSource, Checkpoint};
use lexigraft_models::ModelError;
use lexigraft_models::decoder::DecoderConfig;

use super::block::{BlockWeights, Frame, Sizes, block, rms_norm};
use crate::hypernetwork::pieces::PieceVocabulary;

/// A Llama model in singles, its rows on the host.
#[derive(Debug, Clone)]
pub struct FrozenModel {
    pub sizes: Sizes,
    pub vocab: usize,
    /// `[vocab, hidden]`.
    pub rows: Arc<Vec<f32>>,
    pub blocks: Vec<BlockWeights>,
    pub norm: Tensor<2>,
}

impl FrozenModel {
    /// Reads a GGUF file of the Llama family with a tied head.
    ///
    /// # Errors
    /// `missing-tensor`, `bad-checkpoint`.
    pub async fn load<S: ByteSource>(
        checkpoint: &Checkpoint<S>,
        device: &Device,
    ) -> Result<Self, ModelError> {
        let config = DecoderConfig::from_checkpoint(checkpoint, None)?;
        let sizes = Sizes {
            hidden: config.hidden_size,
            feed_forward: config.feed_forward_size,
            heads: config.heads,
            kv_heads: config.kv_heads,
            head_dim: config.head_dim,
            eps: config.norm_eps,
            theta: config.rope_theta,
        };
        let reader = Reader { checkpoint, device };
        let rows = reader.values("token_embd.weight").await?;
        let mut blocks = Vec::with_capacity(config.layers);
        for layer in 0..config.layers {
            let name = |part: &str| format!("blk.{layer}.{part}.weight");
            let (kv, d) = (sizes.kv_heads, sizes.hidden);
            let q = reader.rotary(&name("attn_q"), d, sizes.head_dim).await?;
            let k = reader.rotary(&name("attn_k"), d, sizes.head_dim).await?;
            let v = reader.values(&name("attn_v")).await?;
            debug_assert_eq!(v.len(), kv * sizes.head_dim * d);
            let gate = reader.values(&name("ffn_gate")).await?;
            let up = reader.values(&name("ffn_up")).await?;
            blocks.push(BlockWeights {
                attention_norm: reader.vector(&name("attn_norm")).await?,
                qkv: reader.transposed([q, k, v].concat(), d),
                output: {
                    let values = reader.values(&name("attn_output")).await?;
                    reader.transposed(values, sizes.heads * sizes.head_dim)
                },
                feed_forward_norm: reader.vector(&name("ffn_norm")).await?,
                gate_up: reader.transposed([gate, up].concat(), d),
                down: {
                    let values = reader.values(&name("ffn_down")).await?;
                    reader.transposed(values, sizes.feed_forward)
                },
            });
        }
        Ok(Self {
            sizes,
            vocab: config.vocab_size,
            rows: Arc::new(rows),
            blocks,
            norm: reader.vector("output_norm.weight").await?,
        })
    }

    pub fn row(&self, id: u32) -> &[f32] {
        let start = id as usize * self.sizes.hidden;
        &self.rows[start..start + self.sizes.hidden]
    }

    /// Standard deviation of each dimension over all rows, `[1, hidden]`.
    pub fn spread(&self, device: &Device) -> Tensor<2> {
        let hidden = self.sizes.hidden;
        let mut sums = vec![(0f64, 0f64); hidden];
        for row in self.rows.chunks_exact(hidden) {
            for (sum, &x) in sums.iter_mut().zip(row) {
                sum.0 += f64::from(x);
                sum.1 += f64::from(x) * f64::from(x);
            }
        }
        let n = self.vocab as f64;
        let values: Vec<f32> = sums
            .iter()
            .map(|(sum, squares)| ((squares / n - (sum / n) * (sum / n)).max(1e-12)).sqrt() as f32)
            .collect();
        Tensor::from_data(TensorData::new(values, [1, hidden]), device)
    }

    /// Hidden states after the first `layers` blocks: `[batch, tokens, hidden]` to the same.
    pub fn run(
        &self,
        mut x: Tensor<3>,
        layers: std::ops::Range<usize>,
        frame: &Frame,
    ) -> Tensor<3> {
        for weights in self.blocks.iter().take(layers.end).skip(layers.start) {
            x = block(x, weights, frame);
        }
        x
    }

    /// The last norm.
    pub fn normed(&self, x: Tensor<2>) -> Tensor<2> {
        rms_norm(x, &self.norm, self.sizes.eps)
    }
}

/// Reads the vocabulary of the file as bytes and merges.
///
/// # Errors
/// `bad-checkpoint` where the file holds no byte-level BPE vocabulary.
pub fn piece_vocabulary<S: ByteSource>(
    checkpoint: &Checkpoint<S>,
    tokenizer: &lexigraft_text::Tokenizer,
) -> Result<PieceVocabulary, ModelError> {
    let metadata = checkpoint.metadata();
    let names = metadata
        .get_str_array("tokenizer.ggml.tokens")?
        .unwrap_or_default();
    let merges = metadata
        .get_str_array("tokenizer.ggml.merges")?
        .unwrap_or_default();
    let tokens = (0u32..)
        .take(names.len())
        .map(|id| {
            if tokenizer.is_special(id) {
                Vec::new()
            } else {
                tokenizer.token_bytes(id).unwrap_or_default().to_vec()
            }
        })
        .collect();
    let pairs: Vec<(u32, u32)> = merges
        .iter()
        .filter_map(|merge| {
            let (left, right) = merge.split_once(' ')?;
            Some((tokenizer.id_of(left)?, tokenizer.id_of(right)?))
        })
        .collect();
    Ok(PieceVocabulary::new(tokens, &pairs))
}

struct Reader<'a, S> {
    checkpoint: &'a Checkpoint<S>,
    device: &'a Device,
}

impl<S: ByteSource> Reader<'_, S> {
    async fn values(&self, name: &str) -> Result<Vec<f32>, ModelError> {
        let info = self.checkpoint.tensor(name)?;
        let go_on = |_| ControlFlow::Continue(());
        Ok(self.checkpoint.read_f32(info, go_on).await?)
    }

    async fn vector(&self, name: &str) -> Result<Tensor<2>, ModelError> {
        let values = self.values(name).await?;
        let len = values.len();
        Ok(Tensor::from_data(
            TensorData::new(values, [1, len]),
            self.device,
        ))
    }

    /// Rows whose rotary pairs stand side by side, put back to halves.
    async fn rotary(&self, name: &str, columns: usize, dim: usize) -> Result<Vec<f32>, ModelError> {
        let values = self.values(name).await?;
        let mut out = Vec::with_capacity(values.len());
        for head in values.chunks_exact(dim * columns) {
            for parity in 0..2 {
                for row in head.chunks_exact(columns).skip(parity).step_by(2) {
                    out.extend_from_slice(row);
                }
            }
        }
        Ok(out)
    }

    /// `[out, in]` values as a tensor `[in, out]`.
    fn transposed(&self, values: Vec<f32>, columns: usize) -> Tensor<2> {
        let rows = values.len() / columns;
        let mut turned = vec![0f32; values.len()];
        for (r, row) in values.chunks_exact(columns).enumerate() {
            for (c, &x) in row.iter().enumerate() {
                turned[c * rows + r] = x;
            }
        }
        Tensor::from_data(TensorData::new(turned, [columns, rows]), self.device)
    }
}
