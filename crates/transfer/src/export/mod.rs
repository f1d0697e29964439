//! A grafted model as a file that other runtimes load.

mod gguf;
mod safetensors;

use std::io;

use lexigraft_checkpoint::CheckpointError;

use crate::TransferError;

pub use gguf::write_gguf;
pub use safetensors::{SafetensorsFiles, write_safetensors};

fn io_error(source: io::Error) -> TransferError {
    TransferError::Checkpoint(CheckpointError::Io {
        action: "write the grafted model".to_owned(),
        source,
    })
}
