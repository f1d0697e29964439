//! What the tests of this crate share.
#![allow(dead_code)] // Each test binary uses a part.

pub mod gguf;
pub mod onnx;
pub mod records;
pub mod rows;
pub mod safetensors;

use std::ops::ControlFlow;

use lexigraft_checkpoint::{Checkpoint, CheckpointError, MemorySource};

pub fn open(file: impl Into<Vec<u8>>) -> Result<Checkpoint<MemorySource>, CheckpointError> {
    pollster::block_on(Checkpoint::open(MemorySource::new(file)))
}

pub fn read_f32<S: lexigraft_checkpoint::ByteSource>(
    checkpoint: &Checkpoint<S>,
    name: &str,
) -> Result<Vec<f32>, CheckpointError> {
    let info = checkpoint.tensor(name)?;
    pollster::block_on(checkpoint.read_f32(info, |_| ControlFlow::Continue(())))
}
