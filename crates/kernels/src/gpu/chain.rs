//! Tokens that follow one another on the device, without the host in between.

use burn::backend::wgpu::CubeTensor;
use burn::tensor::{Device, Tensor};

use super::launch::{Bound, launch, moved_step, parameters};
use super::shader::{Name, Shader};
use super::tensor::{empty, need, read_words};
use crate::KernelError;

/// Ids that the device chose one after the other, until they are read.
#[derive(Debug)]
pub struct ChosenIds {
    ids: CubeTensor,
    count: usize,
}

impl ChosenIds {
    /// Room for `count` ids.
    ///
    /// # Errors
    /// `invalid-argument` for no ids or when `device` is not the wgpu device.
    pub fn new(count: usize, device: &Device) -> Result<Self, KernelError> {
        if count == 0 {
            return Err(KernelError::InvalidArgument(
                "a chain has at least one id".to_owned(),
            ));
        }
        let ids = empty([count], device)?;
        Ok(Self { ids, count })
    }

    /// Chooses the first of the largest `logits` `[1, width]` as id number `index`. It becomes the
    /// id of the step at position `start`, which moves on to the next one.
    ///
    /// # Errors
    /// `invalid-argument` for an index or logits that do not fit, or when there is no such step.
    pub fn choose(&self, logits: Tensor<2>, index: usize, start: usize) -> Result<(), KernelError> {
        let [rows, width] = logits.dims();
        let from = need(&logits, "the logits")?;
        let step = moved_step(start, &from);
        let (Some(step), true) = (step, rows == 1 && width > 0 && index < self.count) else {
            return Err(KernelError::InvalidArgument(format!(
                "id {index} of {} from {rows} x {width} logits at position {start}",
                self.count
            )));
        };
        let parameters = parameters(&[width as u32, index as u32], &from);
        launch(
            Shader::plain(Name::Argmax, 256).feature("CHAIN", true),
            &[
                Bound::Read(&parameters),
                Bound::Read(&from),
                Bound::Both(&self.ids),
                Bound::Both(&step),
            ],
            [1, 1, 1],
        );
        Ok(())
    }

    /// All ids, read back at once. `None` where no logit was a finite number; what follows it means
    /// nothing.
    ///
    /// # Errors
    /// `device-lost`.
    pub async fn read(self) -> Result<Vec<Option<u32>>, KernelError> {
        let words = read_words(self.ids).await?;
        let ids = words.into_iter().map(u32::from_le_bytes);
        Ok(ids.map(|id| (id != u32::MAX).then_some(id)).collect())
    }
}
