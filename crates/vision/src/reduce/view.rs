use crate::VisionError;

/// What a method sees of one picture between attention and MLP.
#[derive(Debug, Clone, Copy)]
pub struct TokenView<'a> {
    /// Number of the block, from 0.
    pub layer: usize,
    /// Tokens at the front that are never dropped: CLS and registers.
    pub leading: usize,
    /// Hidden states after attention, `[tokens, width]`.
    pub hidden: &'a [f32],
    pub width: usize,
    /// Attention keys, mean over the heads, `[tokens, key_width]`.
    pub keys: &'a [f32],
    pub key_width: usize,
    /// Attention of CLS over all tokens, mean over the heads, `[tokens]`.
    pub cls_attention: &'a [f32],
    /// Patches that each token stands for, `[tokens]`.
    pub sizes: &'a [f32],
    /// Patch that each token began as, row by row, or `None` for leading and summary tokens.
    pub positions: &'a [Option<u32>],
    /// Patches a side, `(rows, columns)`.
    pub grid: (usize, usize),
    /// The projection of the method's own [`probes`](super::TokenReducer::probes), row by row.
    pub projected: Option<&'a [f32]>,
}

impl<'a> TokenView<'a> {
    pub fn tokens(&self) -> usize {
        self.sizes.len()
    }

    /// Tokens that may be dropped or merged.
    pub fn reducible(&self) -> usize {
        self.tokens().saturating_sub(self.leading)
    }

    /// Checks the slices against each other and `keep` against the tokens there are.
    pub fn check(&self, keep: usize) -> Result<(), VisionError> {
        let tokens = self.tokens();
        let fits = self.hidden.len() == tokens * self.width
            && self.keys.len() == tokens * self.key_width
            && self.cls_attention.len() == tokens
            && self.positions.len() == tokens
            && self.leading <= tokens
            && self.width > 0
            && self.key_width > 0;
        if !fits {
            return Err(VisionError::InvalidArgument(format!(
                "the slices of {tokens} tokens do not fit each other"
            )));
        }
        if keep > self.reducible() {
            return Err(VisionError::InvalidArgument(format!(
                "{keep} tokens are to be kept and there are {}",
                self.reducible()
            )));
        }
        Ok(())
    }

    /// Hidden states of the reducible tokens, `[reducible, width]`.
    pub fn features(&self) -> &'a [f32] {
        self.hidden
            .get(self.leading * self.width..)
            .unwrap_or_default()
    }

    /// Keys of the reducible tokens, `[reducible, key_width]`.
    pub fn feature_keys(&self) -> &'a [f32] {
        self.keys
            .get(self.leading * self.key_width..)
            .unwrap_or_default()
    }

    /// Attention of CLS to the reducible tokens.
    pub fn scores(&self) -> &'a [f32] {
        self.cls_attention.get(self.leading..).unwrap_or_default()
    }
}
