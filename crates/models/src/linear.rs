#[cfg(feature = "cpu")]
use std::sync::Arc;

use burn::tensor::Tensor;
#[cfg(feature = "reference")]
use burn::tensor::{Int, TensorData};
#[cfg(feature = "cpu")]
use lexigraft_kernels::cpu::PackedMatrix;
#[cfg(feature = "gpu")]
use lexigraft_kernels::gpu::{self, GpuMatrix};
use lexigraft_kernels::ops;

#[cfg(feature = "gpu")]
use crate::ModelError;
use crate::RmsNorm;

/// A weight matrix `[out_features, in_features]` as it is kept on the device.
///
/// This is the one place that knows how weights are stored: a further form is a further variant
/// here, and every model gets it.
#[derive(Debug, Clone)]
#[allow(
    clippy::large_enum_variant,
    reason = "one a matrix, beside its megabytes"
)]
enum StoredWeight {
    /// Singles for Burn's own product: any backend, and gradients.
    #[cfg(feature = "reference")]
    Dense(Tensor<2>),
    /// Quantised as in the file, for the processor's integer units.
    #[cfg(feature = "cpu")]
    Packed(Arc<PackedMatrix>),
    /// As in the file, in buffers of the wgpu device.
    #[cfg(feature = "gpu")]
    Gpu(GpuMatrix),
}

/// What is done before and after a product. A device may do it in the same step.
#[derive(Default)]
struct Around<'a> {
    norm: Option<&'a RmsNorm>,
    /// The matrix holds the rows of a gate, then its partner's: the result is their SwiGLU.
    gated: bool,
    bias: Option<&'a Tensor<1>>,
    gelu: bool,
    residual: Option<Tensor<2>>,
}

impl StoredWeight {
    fn resident_bytes(&self) -> u64 {
        match self {
            #[cfg(feature = "reference")]
            Self::Dense(weight) => weight.shape().num_elements() as u64 * 4,
            #[cfg(feature = "cpu")]
            Self::Packed(weight) => weight.bytes() as u64,
            #[cfg(feature = "gpu")]
            Self::Gpu(weight) => weight.bytes() as u64,
        }
    }

    /// `x Wᵀ` and what is around it: `[tokens, in_features] -> [tokens, out_features]`, or half as
    /// many where it is gated.
    fn project(&self, x: Tensor<2>, around: Around<'_>) -> Tensor<2> {
        let Around {
            norm,
            gated,
            bias,
            gelu,
            residual,
        } = around;
        #[cfg(feature = "gpu")]
        if let Self::Gpu(weight) = self {
            let around = gpu::Around {
                norm: norm.map(|norm| (norm.weight(), norm.eps())),
                swiglu: gated,
                bias,
                gelu,
                residual: residual.as_ref(),
            };
            return done(gpu::project(x, weight, around));
        }
        let x = match norm {
            Some(norm) => norm.forward(x),
            None => x,
        };
        // The residual is the product's own only where nothing comes between.
        let (own, later) = if gated || gelu {
            (None, residual)
        } else {
            (residual, None)
        };
        let y = self.plain(x, bias, own);
        let y = if gated { ops::swiglu(y) } else { y };
        let y = if gelu { ops::gelu(y) } else { y };
        match later {
            Some(residual) => {
                let rows = y.dims()[0];
                ops::add_rows(y, &residual, rows)
            }
            None => y,
        }
    }

    /// `x Wᵀ + bias + residual`.
    fn plain(
        &self,
        x: Tensor<2>,
        bias: Option<&Tensor<1>>,
        residual: Option<Tensor<2>>,
    ) -> Tensor<2> {
        match self {
            #[cfg(feature = "reference")]
            Self::Dense(weight) => {
                let mut y = x.matmul(weight.clone().transpose());
                if let Some(bias) = bias {
                    y = y + bias.clone().unsqueeze();
                }
                match residual {
                    Some(residual) => residual + y,
                    None => y,
                }
            }
            #[cfg(feature = "cpu")]
            Self::Packed(weight) => ops::packed_linear(x, weight, bias, residual),
            #[cfg(feature = "gpu")]
            Self::Gpu(weight) => {
                let residual = residual.as_ref();
                let around = gpu::Around {
                    bias,
                    residual,
                    ..gpu::Around::default()
                };
                done(gpu::project(x, weight, around))
            }
        }
    }

    /// Rows of the matrix: `[ids] -> [ids, in_features]`.
    fn rows(&self, ids: &[u32]) -> Tensor<2> {
        match self {
            #[cfg(feature = "reference")]
            Self::Dense(weight) => {
                let indices: Vec<i32> = ids.iter().map(|&id| id as i32).collect();
                let indices = TensorData::new(indices, [ids.len()]);
                let indices = Tensor::<1, Int>::from_data(indices, &weight.device());
                weight.clone().select(0, indices)
            }
            #[cfg(feature = "cpu")]
            Self::Packed(weight) => ops::packed_rows(ids, weight),
            #[cfg(feature = "gpu")]
            Self::Gpu(weight) => done(gpu::rows(ids, weight)),
        }
    }
}

/// What a kernel made of operands that fit.
#[cfg(feature = "gpu")]
#[allow(clippy::panic, reason = "as Burn's operations, when shapes do not fit")]
fn done(result: Result<Tensor<2>, lexigraft_kernels::KernelError>) -> Tensor<2> {
    match result {
        Ok(tensor) => tensor,
        Err(error) => panic!("{error}"),
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
    #[cfg(feature = "reference")]
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

    /// `weight` is `[out_features, in_features]`, on the wgpu device; `bias` `[out_features]`.
    #[cfg(feature = "gpu")]
    pub fn on_gpu(weight: GpuMatrix, bias: Option<Tensor<1>>) -> Self {
        Self {
            weight: StoredWeight::Gpu(weight),
            bias,
        }
    }

    /// `[tokens, in_features] -> [tokens, out_features]`.
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        self.project(x, Around::default())
    }

    /// `residual + forward(x)`, where `residual` is `[tokens, out_features]`.
    pub fn forward_add(&self, x: Tensor<2>, residual: Tensor<2>) -> Tensor<2> {
        let around = Around {
            residual: Some(residual),
            ..Around::default()
        };
        self.project(x, around)
    }

    /// `forward(norm(x))`.
    pub fn forward_normed(&self, x: Tensor<2>, norm: &RmsNorm) -> Tensor<2> {
        let around = Around {
            norm: Some(norm),
            ..Around::default()
        };
        self.project(x, around)
    }

    /// `silu(gate) * up` (arXiv 2002.05202), where the rows are those of the gate, then those of
    /// the up projection, of the normalised `x`: `[tokens, in_features] -> [tokens,
    /// out_features / 2]`.
    pub fn forward_gated(&self, x: Tensor<2>, norm: &RmsNorm) -> Tensor<2> {
        let around = Around {
            norm: Some(norm),
            gated: true,
            ..Around::default()
        };
        self.project(x, around)
    }

    /// `x Φ(x)` (arXiv 1606.08415) of `forward(x)`.
    pub fn forward_gelu(&self, x: Tensor<2>) -> Tensor<2> {
        let around = Around {
            gelu: true,
            ..Around::default()
        };
        self.project(x, around)
    }

    fn project(&self, x: Tensor<2>, around: Around<'_>) -> Tensor<2> {
        let bias = self.bias.as_ref();
        self.weight.project(x, Around { bias, ..around })
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
    #[cfg(feature = "reference")]
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

    /// `weight` is `[vocab, hidden]`, on the wgpu device.
    #[cfg(feature = "gpu")]
    pub fn on_gpu(weight: GpuMatrix) -> Self {
        Self {
            weight: StoredWeight::Gpu(weight),
        }
    }

    /// `[tokens] -> [tokens, hidden]`. Every id must be below the vocabulary size.
    pub fn forward(&self, ids: &[u32]) -> Tensor<2> {
        self.weight.rows(ids)
    }

    /// Whether [`forward_chosen`](Self::forward_chosen) serves it.
    #[cfg(feature = "gpu")]
    pub(crate) fn is_on_gpu(&self) -> bool {
        matches!(self.weight, StoredWeight::Gpu(_))
    }

    /// The row of the id that the wgpu device chose for the step at `start`: `[1, hidden]`.
    ///
    /// # Errors
    /// `invalid-argument` when there is no such step, or the rows are elsewhere.
    #[cfg(feature = "gpu")]
    pub(crate) fn forward_chosen(&self, start: usize) -> Result<Tensor<2>, ModelError> {
        if let StoredWeight::Gpu(weight) = &self.weight {
            return Ok(gpu::chosen_row(start, weight)?);
        }
        Err(ModelError::InvalidArgument(
            "the embedding is not on the wgpu device".to_owned(),
        ))
    }

    /// The tied output head: `[tokens, hidden] -> [tokens, vocab]`.
    pub fn logits(&self, hidden: Tensor<2>) -> Tensor<2> {
        self.weight.project(hidden, Around::default())
    }

    pub fn resident_bytes(&self) -> u64 {
        self.weight.resident_bytes()
    }
}
