use burn::tensor::Tensor;
use lexigraft_kernels::ops;

/// Root-mean-square normalisation (arXiv 1910.07467): `x / sqrt(mean(x²) + eps) * weight`.
#[derive(Debug, Clone)]
pub struct RmsNorm {
    weight: Tensor<1>,
    eps: f64,
}

impl RmsNorm {
    /// `weight` is `[hidden]`.
    pub fn new(weight: Tensor<1>, eps: f64) -> Self {
        Self { weight, eps }
    }

    /// The gains `[hidden]`.
    pub fn weight(&self) -> &Tensor<1> {
        &self.weight
    }

    pub fn eps(&self) -> f64 {
        self.eps
    }

    /// `[tokens, hidden] -> [tokens, hidden]`.
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        ops::rms_norm(x, &self.weight, self.eps)
    }
}

/// Layer normalisation (arXiv 1607.06450) over the last dimension, biased variance.
#[derive(Debug, Clone)]
pub struct LayerNorm {
    weight: Tensor<1>,
    bias: Tensor<1>,
    eps: f64,
}

impl LayerNorm {
    /// `weight` and `bias` are `[hidden]`.
    pub fn new(weight: Tensor<1>, bias: Tensor<1>, eps: f64) -> Self {
        Self { weight, bias, eps }
    }

    /// `[tokens, hidden] -> [tokens, hidden]`.
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        ops::layer_norm(x, &self.weight, &self.bias, self.eps)
    }
}
