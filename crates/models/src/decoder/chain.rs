//! Several tokens in a row without the host in between.

use super::{Decoder, KvCache};
use crate::ModelError;

impl Decoder {
    /// Tokens to choose for each readback where nobody says: a graphics card waits for the host as
    /// long as it computes; a software device has nothing to wait for, and a reader would.
    pub fn natural_chain(&self) -> usize {
        #[cfg(feature = "gpu")]
        if self.device.kind() == crate::DeviceKind::Wgpu
            && !lexigraft_kernels::gpu::is_software(self.device.burn())
        {
            return 4;
        }
        1
    }

    /// Runs `id` after the cached tokens, then `count - 1` times the likeliest token after what was
    /// run: the `count` likeliest tokens after each, chosen on the device and read back at once. The
    /// cache holds `id` and all of them but the last.
    ///
    /// Fewer come back where no logit is a number. `None`, and nothing is run, where the device
    /// leaves the choice to the host.
    ///
    /// # Errors
    /// `invalid-argument` for an id outside the vocabulary or more tokens than the cache has room
    /// for; `device-lost`.
    pub async fn likeliest_chain(
        &self,
        id: u32,
        count: usize,
        cache: &mut KvCache,
    ) -> Result<Option<Vec<u32>>, ModelError> {
        #[cfg(feature = "gpu")]
        if self.device.kind() == crate::DeviceKind::Wgpu && self.embedding.is_on_gpu() {
            let start = cache.len();
            let end = start.saturating_add(count);
            if end > cache.capacity() {
                return Err(ModelError::InvalidArgument(format!(
                    "{end} tokens do not fit the cache of {}",
                    cache.capacity()
                )));
            }
            let chosen = lexigraft_kernels::gpu::ChosenIds::new(count, self.device.burn())?;
            let mut hidden = self.forward(&[id], cache)?;
            for index in 0..count {
                if index > 0 {
                    let row = self.embedding.forward_chosen(start + index)?;
                    hidden = self.forward_rows(row, cache);
                }
                chosen.choose(self.logits(hidden.clone()), index, start + index)?;
            }
            let ids = chosen.read().await?;
            return Ok(Some(ids.into_iter().map_while(|id| id).collect()));
        }
        let _ = (id, count, cache);
        Ok(None)
    }
}
