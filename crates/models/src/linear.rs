#[cfg(feature = "cpu")]
use std::sync::Arc;

use burn::tensor::{Int, Tensor, TensorData};
#[cfg(feature = "cpu")]
use lexigraft_kernels::{cpu::PackedMatrix, ops};

/// A weight matrix `[out_features, in_features]` as it is kept on the device.
///
/// This is the one place that knows how weights are stored: a further form is a further variant
/// here, and every model gets it.
#[derive(Debug, Clone)]
enum StoredWeight {
    Dense(Tensor<2>),
    /// Quantised as in the file, for the processor's integer units.
    #[cfg(feature = "cpu")]
    Packed(Arc<PackedMatrix>),
}

impl StoredWeight {
    fn resident_bytes(&self) -> u64 {
        match self {
            Self::Dense(weight) => weight.shape().num_elements() as u64 * 4,
            #[cfg(feature = "cpu")]
            Self::Packed(weight) => weight.bytes() as u64,
        }
    }

    /// `x Wᵀ`, plus `residual`: `[tokens, in_features] -> [tokens, out_features]`.
    fn project(&self, x: Tensor<2>, residual: Option<Tensor<2>>) -> Tensor<2> {
        match self {
            Self::Dense(weight) => {
                let y = x.matmul(weight.clone().transpose());
                match residual {
                    Some(residual) => residual + y,
                    None => y,
                }
            }
            #[cfg(feature = "cpu")]
            Self::Packed(weight) => ops::packed_linear(x, weight, residual),
        }
    }

    /// Rows of the matrix: `[ids] -> [ids, in_features]`.
    fn rows(&self, ids: &[u32]) -> Tensor<2> {
        match self {
            Self::Dense(weight) => {
                let indices: Vec<i32> = ids.iter().map(|&id| id as i32).collect();
                let indices = TensorData::new(indices, [ids.len()]);
                let indices = Tensor::<1, Int>::from_data(indices, &weight.device());
                weight.clone().select(0, indices)
            }
            #[cfg(feature = "cpu")]
            Self::Packed(weight) => ops::packed_rows(ids, weight),
        }
    }
}

/// An affine map `y = x Wᵀ + b` that owns its weights as stored.
#[derive(Debug, Clone)]
pub struct Linear {
    weight: StoredWeight,
    bias: Option<Tensor<1>>,
}

impl Linear {
    /// `weight` is `[out_features, in_features]`, `bias` `[out_features]`.
    pub fn dense(weight: Tensor<2>, bias: Option<Tensor<1>>) -> Self {
        Self {
            weight: StoredWeight::Dense(weight),
            bias,
        }
    }

    /// `weight` is `[out_features, in_features]`, in the processor's memory; `bias`
    /// `[out_features]`.
    #[cfg(feature = "cpu")]
    pub fn packed(weight: PackedMatrix, bias: Option<Tensor<1>>) -> Self {
        Self {
            weight: StoredWeight::Packed(Arc::new(weight)),
            bias,
        }
    }

    /// `[tokens, in_features] -> [tokens, out_features]`.
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        self.with_bias(self.weight.project(x, None))
    }

    /// `residual + forward(x)`, where `residual` is `[tokens, out_features]`.
    pub fn forward_add(&self, x: Tensor<2>, residual: Tensor<2>) -> Tensor<2> {
        self.with_bias(self.weight.project(x, Some(residual)))
    }

    fn with_bias(&self, y: Tensor<2>) -> Tensor<2> {
        match &self.bias {
            Some(bias) => y + bias.clone().unsqueeze(),
            None => y,
        }
    }

    pub fn resident_bytes(&self) -> u64 {
        let bias = self.bias.as_ref().map_or(0, |b| b.dims()[0] as u64 * 4);
        self.weight.resident_bytes() + bias
    }
}

/// A token embedding `[vocab, hidden]`, which may serve as the output head too.
#[derive(Debug, Clone)]
pub struct Embedding {
    weight: StoredWeight,
}

impl Embedding {
    /// `weight` is `[vocab, hidden]`.
    pub fn dense(weight: Tensor<2>) -> Self {
        Self {
            weight: StoredWeight::Dense(weight),
        }
    }

    /// `weight` is `[vocab, hidden]`, in the processor's memory.
    #[cfg(feature = "cpu")]
    pub fn packed(weight: PackedMatrix) -> Self {
        Self {
            weight: StoredWeight::Packed(Arc::new(weight)),
        }
    }

    /// `[tokens] -> [tokens, hidden]`. Every id must be below the vocabulary size.
    pub fn forward(&self, ids: &[u32]) -> Tensor<2> {
        self.weight.rows(ids)
    }

    /// The tied output head: `[tokens, hidden] -> [tokens, vocab]`.
    pub fn logits(&self, hidden: Tensor<2>) -> Tensor<2> {
        self.weight.project(hidden, None)
    }

    pub fn resident_bytes(&self) -> u64 {
        self.weight.resident_bytes()
    }
}
