//! A checkpoint: its header in memory, its tensors read on demand.

use std::ops::ControlFlow;

use crate::names::NameIndex;
use crate::sniff::{Sniffed, sniff};
use crate::source::{ByteSource, read_exact};
use crate::tensor::refuse_overlaps;
use crate::{CheckpointError, Metadata, TensorInfo, dequant, gguf, onnx, safetensors};

/// Most bytes that [`Checkpoint::read_chunks`] holds of a tensor as stored.
pub const CHUNK_BYTES: usize = 1 << 20;

/// The format of a checkpoint file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// GGUF, little-endian.
    Gguf {
        /// 2 or 3.
        version: u32,
    },
    /// safetensors.
    Safetensors,
    /// The initialisers of an ONNX graph.
    Onnx,
}

/// An open checkpoint over a [`ByteSource`].
#[derive(Debug)]
pub struct Checkpoint<S> {
    source: S,
    format: Format,
    metadata: Metadata,
    tensors: Vec<TensorInfo>,
    index: NameIndex,
}

fn name_of(tensor: &TensorInfo) -> &str {
    &tensor.name
}

impl<S: ByteSource> Checkpoint<S> {
    /// Reads and checks the header; no tensor is read yet.
    ///
    /// # Errors
    /// `unsupported-format` for anything but GGUF v2/v3 (little-endian),
    /// safetensors and ONNX, `bad-checkpoint` for a file that is damaged or truncated,
    /// and the source's own errors.
    pub async fn open(source: S) -> Result<Self, CheckpointError> {
        let (format, metadata, tensors) = match sniff(&source).await? {
            Sniffed::Gguf => {
                let header = gguf::read_header(&source).await?;
                (
                    Format::Gguf {
                        version: header.version,
                    },
                    header.metadata,
                    header.tensors,
                )
            }
            Sniffed::Safetensors(length) => {
                let header = safetensors::read_header(&source, length).await?;
                (Format::Safetensors, header.metadata, header.tensors)
            }
            Sniffed::Onnx => {
                let header = onnx::read_header(&source).await?;
                (Format::Onnx, header.metadata, header.tensors)
            }
        };
        let index = NameIndex::new(&tensors, name_of)
            .map_err(|name| CheckpointError::Malformed(format!("tensor `{name}` occurs twice")))?;
        refuse_overlaps(&tensors)?;
        Ok(Self {
            source,
            format,
            metadata,
            tensors,
            index,
        })
    }

    /// The file's format.
    pub fn format(&self) -> Format {
        self.format
    }

    /// GGUF key/value pairs, the safetensors `__metadata__` strings, or what an
    /// ONNX model says of itself.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// The tensors in the order of the file: as described in a GGUF header,
    /// by position in a safetensors file.
    pub fn tensors(&self) -> impl Iterator<Item = &TensorInfo> {
        self.tensors.iter()
    }

    /// The tensor called `name`.
    ///
    /// # Errors
    /// `missing-tensor`.
    pub fn tensor(&self, name: &str) -> Result<&TensorInfo, CheckpointError> {
        self.get(name)
            .ok_or_else(|| CheckpointError::MissingTensor {
                name: name.to_owned(),
                count: self.tensors.len(),
                example: match self.tensors.first() {
                    Some(first) => format!(", the first is `{}`", first.name),
                    None => String::new(),
                },
            })
    }

    /// The tensor called `name`, if there is one.
    pub fn get(&self, name: &str) -> Option<&TensorInfo> {
        self.index.find(&self.tensors, name, name_of)
    }

    /// The bytes behind the checkpoint.
    pub fn source(&self) -> &S {
        &self.source
    }

    /// Gives the source back and drops the header.
    pub fn into_source(self) -> S {
        self.source
    }

    /// A tensor's bytes as stored, in one piece.
    ///
    /// # Errors
    /// `unsupported-type`, `bad-checkpoint` when the file has become shorter,
    /// and the source's own errors.
    pub async fn read_blocks(&self, info: &TensorInfo) -> Result<Vec<u8>, CheckpointError> {
        info.checked_elements()?;
        read_exact(&self.source, info.range.clone()).await
    }

    /// A tensor's bytes as stored, in order, in pieces of whole blocks and at
    /// most [`CHUNK_BYTES`] each.
    ///
    /// # Errors
    /// As [`read_blocks`](Self::read_blocks), and `aborted` when `on_chunk`
    /// breaks.
    pub async fn read_chunks(
        &self,
        info: &TensorInfo,
        mut on_chunk: impl FnMut(&[u8]) -> ControlFlow<()>,
    ) -> Result<(), CheckpointError> {
        info.checked_elements()?;
        let block = info.dtype.block_bytes().max(1);
        let step = (CHUNK_BYTES - CHUNK_BYTES % block) as u64;
        let mut at = info.range.start;
        while at < info.range.end {
            let next = info.range.end.min(at.saturating_add(step));
            let chunk = read_exact(&self.source, at..next).await?;
            if on_chunk(&chunk).is_break() {
                return Err(CheckpointError::Aborted);
            }
            at = next;
        }
        Ok(())
    }

    /// A tensor dequantised to `f32`, row-major.
    ///
    /// `on_bytes` gets the number of stored bytes that each chunk consumed,
    /// for progress, and may break to stop. The peak is the result plus one
    /// chunk of [`CHUNK_BYTES`].
    ///
    /// # Errors
    /// As [`read_chunks`](Self::read_chunks), and `out-of-memory` when the
    /// result cannot be allocated.
    pub async fn read_f32(
        &self,
        info: &TensorInfo,
        mut on_bytes: impl FnMut(u64) -> ControlFlow<()>,
    ) -> Result<Vec<f32>, CheckpointError> {
        let elements = info.checked_elements()?;
        let out_of_memory = || CheckpointError::OutOfMemory {
            tensor: info.name.clone(),
            bytes: (elements as u64).saturating_mul(4),
        };
        let mut out: Vec<f32> = Vec::new();
        out.try_reserve_exact(elements)
            .map_err(|_| out_of_memory())?;
        out.resize(elements, 0.0);

        let mut rest = out.as_mut_slice();
        let mut result = Ok(());
        let block_bytes = info.dtype.block_bytes().max(1);
        let block_len = info.dtype.block_len();
        let read = self.read_chunks(info, |chunk| {
            let count = chunk.len() / block_bytes * block_len;
            let Some((now, later)) = std::mem::take(&mut rest).split_at_mut_checked(count) else {
                return ControlFlow::Break(());
            };
            rest = later;
            result = dequant::dequantize(info.dtype, chunk, now);
            if result.is_err() {
                return ControlFlow::Break(());
            }
            on_bytes(chunk.len() as u64)
        });
        let read = read.await;
        result?;
        read?;
        Ok(out)
    }
}
