//! GGUF, safetensors and ONNX checkpoints, read over ranges of bytes.
//!
//! ```text
//! ByteSource ──► sniff ──► gguf | safetensors | onnx header ──► Checkpoint { metadata, tensors }
//!     │                                                       │
//!     └── ranges of ≤ 1 MiB ──► blocks as stored ──► dequant ─┴─► f32
//! ```
//!
//! A [`ByteSource`] gives ranges of a file: from memory ([`MemorySource`]),
//! from disk (`FileSource`, absent on wasm) or from what a browser offers.
//! [`Checkpoint::open`] reads the header alone. Tensors stay in the file until
//! one is read, as stored ([`Checkpoint::read_blocks`],
//! [`Checkpoint::read_chunks`]) or as `f32` ([`Checkpoint::read_f32`]).
//!
//! # Memory
//!
//! * A header is read through a window: 1 MiB at first, longer only where a
//!   single value is longer; what is parsed leaves it. Kept are the metadata
//!   and one [`TensorInfo`] a tensor.
//! * No length or count is believed: each is compared with the bytes that the
//!   file still has, and with a limit where small items could be many, before
//!   anything is allocated for it. A test with a counting allocator holds the
//!   peak of [`Checkpoint::open`] below 4 MiB plus four times the file, over
//!   random damage and over the costliest files that we could make.
//! * Limits: a GGUF header of 256 MiB, 65 536 pairs, 262 144 tensors, four
//!   dimensions, arrays nested four deep; a safetensors header of 100 MB,
//!   16 384 metadata entries, 16 dimensions; an ONNX graph of 16 384
//!   initialisers, 1024 metadata entries, 16 dimensions. Names end at
//!   65 535 bytes.
//! * [`Checkpoint::read_f32`] holds its result and one chunk of
//!   [`CHUNK_BYTES`].
//!
//! # Example
//!
//! ```
//! # fn main() -> Result<(), lexigraft_checkpoint::CheckpointError> {
//! use lexigraft_checkpoint::{Checkpoint, MemorySource};
//! use std::ops::ControlFlow;
//!
//! let mut file = Vec::new();
//! let header = br#"{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#;
//! file.extend((header.len() as u64).to_le_bytes());
//! file.extend(header);
//! file.extend([1.0f32, 2.0].iter().flat_map(|x| x.to_le_bytes()));
//!
//! let values = pollster::block_on(async {
//!     let checkpoint = Checkpoint::open(MemorySource::new(file)).await?;
//!     let info = checkpoint.tensor("w")?;
//!     checkpoint.read_f32(info, |_bytes| ControlFlow::Continue(())).await
//! })?;
//! assert_eq!(values, [1.0, 2.0]);
//! # Ok(())
//! # }
//! ```

#![warn(missing_docs)]
#![forbid(unsafe_code)]

mod checkpoint;
pub mod dequant;
mod dtype;
mod error;
mod gguf;
mod metadata;
mod names;
mod onnx;
mod quantize;
mod safetensors;
mod sniff;
mod source;
mod tensor;
mod value;

pub use checkpoint::{CHUNK_BYTES, Checkpoint, Format};
pub use dtype::{DType, OtherType};
pub use error::CheckpointError;
pub use gguf::{GgufWriter, NewTensor};
pub use metadata::Metadata;
pub use quantize::{is_written, quantize};
#[cfg(not(target_family = "wasm"))]
pub use source::FileSource;
pub use source::{ByteSource, MemorySource};
pub use tensor::TensorInfo;
pub use value::{Array, Value};
