use burn::tensor::{Int, Tensor};

/// A weight matrix `[out_features, in_features]` as it is kept on the device.
///
/// This is the one place that knows how weights are stored: a quantised form is a further
/// variant here, and every model gets it.
#[derive(Debug, Clone)]
enum StoredWeight {
    Dense(Tensor<2>),
}

impl StoredWeight {
    fn resident_bytes(&self) -> u64 {
        match self {
            Self::Dense(weight) => weight.shape().num_elements() as u64 * 4,
        }
    }

    /// `x Wᵀ`: `[tokens, in_features] -> [tokens, out_features]`.
    fn project(&self, x: Tensor<2>) -> Tensor<2> {
        match self {
            Self::Dense(weight) => x.matmul(weight.clone().transpose()),
        }
    }

    /// Rows of the matrix: `[ids] -> [ids, in_features]`.
    fn rows(&self, ids: Tensor<1, Int>) -> Tensor<2> {
        match self {
            Self::Dense(weight) => weight.clone().select(0, ids),
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

    /// `[tokens, in_features] -> [tokens, out_features]`.
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let y = self.weight.project(x);
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

    /// `[tokens] -> [tokens, hidden]`. Every id must be below the vocabulary size.
    pub fn forward(&self, ids: Tensor<1, Int>) -> Tensor<2> {
        self.weight.rows(ids)
    }

    /// The tied output head: `[tokens, hidden] -> [tokens, vocab]`.
    pub fn logits(&self, hidden: Tensor<2>) -> Tensor<2> {
        self.weight.project(hidden)
    }

    pub fn resident_bytes(&self) -> u64 {
        self.weight.resident_bytes()
    }
}
