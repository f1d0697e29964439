//! The matrix on the device, and how it gets there.

use burn::backend::wgpu::CubeTensor;
use burn::tensor::Device;
use lexigraft_checkpoint::DType;
use std::fmt;

use super::format::{Buffers, CHUNK, TILE, has_words, pack, sizes, unit};
use super::tensor::{empty, upload_alone};
use crate::KernelError;
use crate::cpu::{Part, RowOrder};

/// A shard's larger buffer takes no more than this: WebGPU promises bindings of 128 MiB.
const MAX_BINDING: usize = 128 << 20;

/// A weight matrix `[rows, cols]` on the wgpu device that stays quantised.
///
/// Cloning copies handles.
#[derive(Clone)]
pub struct GpuMatrix {
    rows: usize,
    cols: usize,
    pub(super) shards: Vec<Shard>,
    pub(super) device: Device,
    bytes: usize,
}

/// Rows of a matrix that share a type and two buffers.
#[derive(Clone)]
pub(super) struct Shard {
    pub dtype: DType,
    /// The first row in the matrix, and the number of rows.
    pub first: usize,
    pub rows: usize,
    /// Chunks of the buffers, the filling rows counted.
    pub total: usize,
    pub quants: CubeTensor,
    pub words: Option<CubeTensor>,
}

impl GpuMatrix {
    /// A builder of a matrix with `cols` columns, a multiple of 32, whose rows are those of `parts`
    /// one below the other.
    ///
    /// # Errors
    /// `invalid-argument` for shapes that do not fit or a device that is not wgpu,
    /// `unsupported-type`.
    pub fn builder(
        cols: usize,
        parts: &[Part],
        device: &Device,
    ) -> Result<GpuBuilder, KernelError> {
        GpuBuilder::new(cols, parts, device)
    }

    /// A matrix of one part that is in memory as a whole.
    ///
    /// # Errors
    /// As [`builder`](Self::builder) and [`GpuBuilder::push`].
    pub fn from_blocks(
        dtype: DType,
        rows: usize,
        cols: usize,
        blocks: &[u8],
        device: &Device,
    ) -> Result<Self, KernelError> {
        let order = RowOrder::AsStored;
        let mut builder = Self::builder(cols, &[Part { dtype, rows, order }], device)?;
        builder.push(blocks)?;
        builder.finish()
    }

    /// Whether rows of `cols` elements of this type can be held.
    pub fn fits(dtype: DType, cols: usize) -> bool {
        dtype.is_supported() && cols > 0 && cols.is_multiple_of(unit(dtype))
    }

    /// Rows: outputs of a product.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Columns: inputs of a product.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// Bytes of weights on the device.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The storage types, in the order of the rows.
    pub fn dtypes(&self) -> impl Iterator<Item = DType> {
        self.shards.iter().map(|shard| shard.dtype)
    }
}

impl fmt::Debug for GpuMatrix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let types: Vec<_> = self.dtypes().map(DType::name).collect();
        write!(
            f,
            "GpuMatrix([{}, {}], {})",
            self.rows,
            self.cols,
            types.join(" + ")
        )
    }
}

/// Takes blocks in the order of the file, in pieces of any size, and sends a shard to the device as
/// soon as it is full. The host holds one shard at a time.
pub struct GpuBuilder {
    cols: usize,
    rows: usize,
    parts: Vec<Part>,
    device: Device,
    like: CubeTensor,
    max_binding: usize,
    shards: Vec<Shard>,
    bytes: usize,
    /// Shards to come: type, first row, rows.
    plan: std::vec::IntoIter<(DType, usize, usize)>,
    filling: Option<Filling>,
    /// The part that comes next, its first row, and the row and the unit within it.
    part: usize,
    base: usize,
    row: usize,
    unit: usize,
    /// The beginning of a unit whose end was not pushed yet.
    rest: Vec<u8>,
}

struct Filling {
    dtype: DType,
    first: usize,
    rows: usize,
    /// Rows that are complete.
    done: usize,
    buffers: Buffers,
}

impl GpuBuilder {
    fn new(cols: usize, parts: &[Part], device: &Device) -> Result<Self, KernelError> {
        let invalid = |message: String| Err(KernelError::InvalidArgument(message));
        if parts.is_empty() {
            return invalid("a matrix of no parts has no rows: give one".to_owned());
        }
        let mut rows = 0usize;
        for part in parts {
            let Part { dtype, rows: n, .. } = *part;
            if !dtype.is_supported() {
                return Err(KernelError::UnsupportedType(dtype));
            }
            if !GpuMatrix::fits(dtype, cols) {
                return invalid(format!(
                    "rows of {cols} elements do not fit the device's {dtype}: rows must be a \
                     multiple of {} long",
                    unit(dtype)
                ));
            }
            let even_heads = match part.order {
                RowOrder::AsStored => true,
                RowOrder::RotaryPairs { head_dim } => {
                    head_dim > 0 && head_dim.is_multiple_of(2) && n.is_multiple_of(head_dim)
                }
            };
            if n == 0 || !even_heads {
                return invalid(format!(
                    "a part of {n} rows in the order {:?}: give at least one row, and whole heads \
                     of an even number of rows",
                    part.order
                ));
            }
            rows = rows.checked_add(n).ok_or(KernelError::OutOfMemory {
                what: "the weights",
                bytes: usize::MAX,
            })?;
        }
        Ok(Self {
            cols,
            rows,
            parts: parts.to_vec(),
            device: device.clone(),
            like: empty([1], device)?,
            max_binding: MAX_BINDING,
            shards: Vec::new(),
            bytes: 0,
            plan: Vec::new().into_iter(),
            filling: None,
            part: 0,
            base: 0,
            row: 0,
            unit: 0,
            rest: Vec::new(),
        }
        .planned())
    }

    /// Limits the larger buffer of a shard to about `bytes`, for tests of sharding.
    pub fn with_max_binding(mut self, bytes: usize) -> Self {
        self.max_binding = bytes;
        self.planned()
    }

    fn planned(mut self) -> Self {
        let mut plan = Vec::new();
        let mut first = 0;
        let most = |dtype, step: usize| {
            let bytes = sizes(dtype, step * self.cols / CHUNK).quants.max(1);
            (self.max_binding / bytes).max(1) * step
        };
        for same in self.parts.chunk_by(|a, b| a.dtype == b.dtype) {
            let Some(dtype) = same.first().map(|part| part.dtype) else {
                continue;
            };
            let rows: usize = same.iter().map(|part| part.rows).sum();
            if rows <= most(dtype, TILE) {
                plan.push((dtype, first, rows));
                first += rows;
                continue;
            }
            for part in same {
                // Rows change places within a head, so a shard ends where one does.
                let step = match part.order {
                    RowOrder::AsStored => TILE,
                    RowOrder::RotaryPairs { head_dim } => lcm(TILE, head_dim),
                };
                let most = most(dtype, step);
                let mut done = 0;
                while done < part.rows {
                    let take = most.min(part.rows - done);
                    plan.push((dtype, first + done, take));
                    done += take;
                }
                first += part.rows;
            }
        }
        self.plan = plan.into_iter();
        self
    }

    /// The next bytes of the blocks, of one part or of several.
    ///
    /// # Errors
    /// `invalid-argument` for bytes that follow the last row, `bad-checkpoint` for a number that is
    /// not finite.
    pub fn push(&mut self, mut bytes: &[u8]) -> Result<(), KernelError> {
        while !bytes.is_empty() {
            let Some(part) = self.parts.get(self.part).copied() else {
                return Err(KernelError::InvalidArgument(format!(
                    "{} bytes follow the last of {} rows: give the parts their right number of \
                     rows",
                    bytes.len(),
                    self.rows
                )));
            };
            let size = unit_bytes(part.dtype);
            if self.rest.is_empty() && bytes.len() >= size {
                let (stored, after) = bytes.split_at(size);
                self.place(part, stored)?;
                bytes = after;
            } else {
                let (some, after) = bytes.split_at(bytes.len().min(size - self.rest.len()));
                self.rest.extend_from_slice(some);
                bytes = after;
                if self.rest.len() == size {
                    let stored = std::mem::take(&mut self.rest);
                    self.place(part, &stored)?;
                }
            }
        }
        Ok(())
    }

    fn place(&mut self, part: Part, stored: &[u8]) -> Result<(), KernelError> {
        let row = self.base + place_of(part.order, self.row);
        if self.filling.is_none() {
            self.filling = self
                .plan
                .next()
                .map(|shard| self.begin(shard))
                .transpose()?;
        }
        let Some(filling) = &mut self.filling else {
            return Ok(());
        };
        let chunks = self.cols / CHUNK;
        let local = row - filling.first;
        let chunk = self.unit * (unit(part.dtype) / CHUNK);
        let k = (local / TILE * chunks + chunk) * TILE + local % TILE;
        if !pack(part.dtype, &mut filling.buffers, k, stored) {
            return Err(KernelError::NotFinite {
                dtype: part.dtype,
                row: self.base + self.row,
            });
        }
        self.unit += 1;
        if self.unit < self.cols / unit(part.dtype) {
            return Ok(());
        }
        self.unit = 0;
        self.row += 1;
        filling.done += 1;
        let full = filling.done == filling.rows;
        if self.row == part.rows {
            self.base += self.row;
            self.row = 0;
            self.part += 1;
        }
        if full {
            self.send();
        }
        Ok(())
    }

    fn begin(&self, (dtype, first, rows): (DType, usize, usize)) -> Result<Filling, KernelError> {
        let total = rows.next_multiple_of(TILE) * (self.cols / CHUNK);
        let sizes = sizes(dtype, total);
        let zeros = |bytes: usize| {
            let mut zeros = Vec::new();
            zeros
                .try_reserve_exact(bytes)
                .map_err(|_| KernelError::OutOfMemory {
                    what: "weights on their way to the device",
                    bytes,
                })?;
            zeros.resize(bytes, 0);
            Ok::<_, KernelError>(zeros)
        };
        Ok(Filling {
            dtype,
            first,
            rows,
            done: 0,
            buffers: Buffers {
                quants: zeros(sizes.quants)?,
                words: zeros(sizes.words)?,
                total,
            },
        })
    }

    fn send(&mut self) {
        let Some(filling) = self.filling.take() else {
            return;
        };
        let Buffers {
            quants,
            words,
            total,
        } = filling.buffers;
        self.bytes += quants.len() + words.len();
        let words = has_words(filling.dtype).then(|| upload_alone(words, &self.like));
        self.shards.push(Shard {
            dtype: filling.dtype,
            first: filling.first,
            rows: filling.rows,
            total,
            quants: upload_alone(quants, &self.like),
            words,
        });
    }

    /// The matrix, once all its blocks were pushed.
    ///
    /// # Errors
    /// `invalid-argument` when blocks are missing.
    pub fn finish(self) -> Result<GpuMatrix, KernelError> {
        if self.part < self.parts.len() || !self.rest.is_empty() {
            return Err(KernelError::InvalidArgument(format!(
                "only {} of {} rows were given: push all blocks of each part",
                self.base + self.row,
                self.rows
            )));
        }
        Ok(GpuMatrix {
            rows: self.rows,
            cols: self.cols,
            shards: self.shards,
            device: self.device,
            bytes: self.bytes,
        })
    }
}

fn unit_bytes(dtype: DType) -> usize {
    unit(dtype) / dtype.block_len().max(1) * dtype.block_bytes()
}

fn place_of(order: RowOrder, row: usize) -> usize {
    match order {
        RowOrder::AsStored => row,
        RowOrder::RotaryPairs { head_dim } => {
            let within = row % head_dim;
            row - within + within / 2 + within % 2 * (head_dim / 2)
        }
    }
}

fn lcm(a: usize, b: usize) -> usize {
    let (mut x, mut y) = (a, b);
    while y != 0 {
        (x, y) = (y, x % y);
    }
    a / x.max(1) * b
}
