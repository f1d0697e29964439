//! Rows in place of ids: tokens that no vocabulary has.

use burn::tensor::Tensor;
use lexigraft_kernels::ops;

use super::{Decoder, KvCache};
use crate::ModelError;

impl Decoder {
    /// As [`forward`](Self::forward), from rows as the embedding would give them: `[tokens *
    /// hidden]`, on the host. Each row is a token and takes a position.
    ///
    /// # Errors
    /// `invalid-argument` for no rows, values that are not whole rows, or more tokens than the
    /// cache has room for; the cache is unchanged then.
    pub fn forward_embedded(
        &self,
        rows: Vec<f32>,
        cache: &mut KvCache,
    ) -> Result<Tensor<2>, ModelError> {
        let hidden = self.config.hidden_size;
        if rows.is_empty() || !rows.len().is_multiple_of(hidden) {
            return Err(ModelError::InvalidArgument(format!(
                "{} values are not rows of {hidden}",
                rows.len()
            )));
        }
        let tokens = rows.len() / hidden;
        self.check_room(tokens, cache)?;
        #[cfg(feature = "gpu")]
        if self.device.kind() == crate::DeviceKind::Wgpu {
            lexigraft_kernels::gpu::begin(cache.len(), &[], self.device.burn())?;
        }
        let rows = ops::from_host(rows, [tokens, hidden], self.device.burn());
        Ok(self.forward_rows(rows, cache))
    }
}
