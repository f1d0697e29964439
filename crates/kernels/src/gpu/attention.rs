//! Rotation, the cache, and attention over it.

use burn::backend::wgpu::CubeTensor;
use burn::tensor::{Device, Tensor};

use super::launch::{Bound, launch, parameters, step_at};
use super::shader::{Name, Shader};
use super::tensor::{empty, into_tensor, need};
use crate::KernelError;
use crate::cpu::Heads;

/// Positions that one workgroup goes through before a single token's attention is shared.
const SPAN: usize = 512;
/// The longest heads that fit workgroup memory.
pub const MAX_HEAD_DIM: usize = 256;
/// What a head is a multiple of: vectors of four, in two halves.
pub const HEAD_DIM_UNIT: usize = 8;

/// The first position of a pass, and a buffer on the device that begins with it.
#[derive(Clone, Copy)]
pub(super) struct At<'a> {
    pub start: usize,
    pub step: &'a CubeTensor,
}

/// The capacity of the cache, when everything fits.
fn check(
    shape: Heads,
    tokens: usize,
    start: usize,
    cache: [usize; 3],
) -> Result<usize, KernelError> {
    let Heads {
        heads,
        kv_heads,
        head_dim,
    } = shape;
    let [_, capacity, _] = cache;
    let sound = kv_heads > 0
        && heads > 0
        && heads.is_multiple_of(kv_heads)
        && head_dim > 0
        && head_dim <= MAX_HEAD_DIM
        && head_dim.is_multiple_of(4)
        && cache == [kv_heads, capacity, head_dim]
        && tokens > 0
        && start + tokens <= capacity;
    if sound {
        Ok(capacity)
    } else {
        Err(KernelError::InvalidArgument(format!(
            "{tokens} tokens of {shape:?} at position {start} with a cache of {cache:?}"
        )))
    }
}

/// Whether a table of angles has a row for each position below `positions`.
fn reaches(table: &Tensor<2>, positions: usize, head_dim: usize) -> bool {
    let [rows, width] = table.dims();
    rows >= positions && width == head_dim
}

/// Rotates queries and keys (arXiv 2104.09864) and puts keys and values into the cache at
/// positions `start..start + tokens`, in place whoever else holds it.
///
/// `qkv` is `[tokens, (heads + 2 kv_heads) * head_dim]`; `cos` and `sin`, the first half negated,
/// `[positions, head_dim]` from position 0 on; `keys` and `values` `[kv_heads, capacity, head_dim]`. Returns queries
/// `[tokens, heads * head_dim]`.
///
/// # Errors
/// `invalid-argument` when shapes do not fit or a tensor is not `f32` on the wgpu device.
pub fn rope_append(
    qkv: Tensor<2>,
    shape: Heads,
    [cos, sin]: [&Tensor<2>; 2],
    start: usize,
    keys: &Tensor<3>,
    values: &Tensor<3>,
) -> Result<Tensor<2>, KernelError> {
    let step = step_at(start, &need(&qkv, "the projection")?);
    rope_append_at(
        qkv,
        shape,
        [cos, sin],
        At { start, step: &step },
        keys,
        values,
    )
}

/// As [`rope_append`].
pub(super) fn rope_append_at(
    qkv: Tensor<2>,
    shape: Heads,
    [cos, sin]: [&Tensor<2>; 2],
    At { start, step }: At<'_>,
    keys: &Tensor<3>,
    values: &Tensor<3>,
) -> Result<Tensor<2>, KernelError> {
    let [tokens, columns] = qkv.dims();
    let capacity = check(shape, tokens, start, keys.dims())?;
    let Heads {
        heads,
        kv_heads,
        head_dim,
    } = shape;
    let all = heads + 2 * kv_heads;
    if columns != all * head_dim
        || values.dims() != keys.dims()
        || !reaches(cos, start + tokens, head_dim)
        || !reaches(sin, start + tokens, head_dim)
    {
        return Err(KernelError::InvalidArgument(format!(
            "a rotation of {:?} by {:?} and {:?} into {:?} and {:?} for {shape:?}",
            qkv.dims(),
            cos.dims(),
            sin.dims(),
            keys.dims(),
            values.dims()
        )));
    }
    let queries = empty([tokens, heads * head_dim], &qkv.device())?;
    let qkv = need(&qkv, "the projection")?;
    let (cos, sin) = (need(cos, "the cosines")?, need(sin, "the sines")?);
    let (keys, values) = (need(keys, "the keys")?, need(values, "the values")?);
    let words = [heads, kv_heads, head_dim / 2, capacity].map(|word| word as u32);
    let parameters = parameters(&words, &qkv);
    launch(
        Shader::plain(Name::RopeAppend, 64),
        &[
            Bound::Read(&parameters),
            Bound::Read(step),
            Bound::Read(&qkv),
            Bound::Read(&cos),
            Bound::Read(&sin),
            Bound::Write(&queries),
            Bound::Both(&keys),
            Bound::Both(&values),
        ],
        [(all * head_dim / 2).div_ceil(64), tokens, 1],
    );
    Ok(into_tensor(queries))
}

/// Grouped-query attention over the cache (arXiv 2305.13245): the queries of positions
/// `start..start + tokens`, `[tokens, heads * head_dim]`, attend to all cached ones up to their
/// own. The result is shaped like them; `keys` and `values` are `[kv_heads, capacity, head_dim]`.
///
/// # Errors
/// As [`rope_append`].
pub fn attention(
    queries: Tensor<2>,
    keys: &Tensor<3>,
    values: &Tensor<3>,
    shape: Heads,
    start: usize,
) -> Result<Tensor<2>, KernelError> {
    let step = step_at(start, &need(&queries, "the queries")?);
    attention_at(queries, keys, values, shape, At { start, step: &step })
}

/// As [`attention`].
pub(super) fn attention_at(
    queries: Tensor<2>,
    keys: &Tensor<3>,
    values: &Tensor<3>,
    shape: Heads,
    At { start, step }: At<'_>,
) -> Result<Tensor<2>, KernelError> {
    let [tokens, columns] = queries.dims();
    let capacity = check(shape, tokens, start, keys.dims())?;
    let Heads {
        heads,
        kv_heads,
        head_dim,
    } = shape;
    if columns != heads * head_dim || values.dims() != keys.dims() {
        return Err(KernelError::InvalidArgument(format!(
            "queries of {:?} over {:?} and {:?} for {shape:?}",
            queries.dims(),
            keys.dims(),
            values.dims()
        )));
    }
    let device = queries.device();
    let queries = need(&queries, "the queries")?;
    let (keys, values) = (need(keys, "the keys")?, need(values, "the values")?);
    let parts = if tokens == 1 {
        (start + 1).div_ceil(SPAN)
    } else {
        1
    };
    let columns = heads * head_dim;
    let line = capacity * head_dim;
    let words = [
        heads,
        heads / kv_heads,
        head_dim,
        tokens,
        SPAN,
        columns,
        0,
        0,
        line,
        head_dim,
    ];
    let group = if tokens == 1 { 1 } else { 8 };
    let shader = Shader::plain(Name::Attention, 64)
        .constant("QUERIES", group)
        .constant("STEPS", head_dim.div_ceil(64) as u32)
        .feature("CAUSAL", true)
        .feature("PARTS", parts > 1);
    let parameters = parameters(&words.map(|word| word as u32), &queries);
    let run = |out: &CubeTensor| {
        let bound = [
            Bound::Read(&parameters),
            Bound::Read(step),
            Bound::Read(&queries),
            Bound::Read(&keys),
            Bound::Read(&values),
            Bound::Write(out),
        ];
        let groups = [heads, tokens.div_ceil(group as usize), parts];
        launch(shader, &bound, groups);
    };
    let shared = Shared {
        shape,
        tokens,
        capacity,
        parts,
    };
    shared.finish(&device, run)
}

/// What a workgroup does not do alone: its part of the positions, which are merged after.
struct Shared {
    shape: Heads,
    tokens: usize,
    capacity: usize,
    parts: usize,
}

impl Shared {
    /// Gives `run` the place of its result and, where there are parts, merges them.
    fn finish(
        self,
        device: &Device,
        run: impl FnOnce(&CubeTensor),
    ) -> Result<Tensor<2>, KernelError> {
        let Self {
            shape: Heads {
                heads, head_dim, ..
            },
            tokens,
            capacity,
            parts,
        } = self;
        let out = empty([tokens, heads * head_dim], device)?;
        if parts == 1 {
            run(&out);
            return Ok(into_tensor(out));
        }
        // Room for a whole cache, so that one buffer serves all positions of a generation.
        let most = capacity.div_ceil(SPAN);
        let partial = empty([most, heads * (head_dim + 2)], device)?;
        run(&partial);
        let words = [head_dim, tokens * heads, parts].map(|word| word as u32);
        let parameters = parameters(&words, &partial);
        launch(
            Shader::plain(Name::AttentionMerge, 64),
            &[
                Bound::Read(&parameters),
                Bound::Read(&partial),
                Bound::Write(&out),
            ],
            [tokens * heads, 1, 1],
        );
        Ok(into_tensor(out))
    }
}

/// [`rope_append`] and [`attention`] of one token in one launch, or two where the cache is long.
///
/// `head_dim` must be a multiple of 8. Returns the mixed values `[1, heads * head_dim]`.
///
/// # Errors
/// As [`rope_append`].
pub fn attention_step(
    qkv: Tensor<2>,
    shape: Heads,
    [cos, sin]: [&Tensor<2>; 2],
    start: usize,
    keys: &Tensor<3>,
    values: &Tensor<3>,
) -> Result<Tensor<2>, KernelError> {
    let step = step_at(start, &need(&qkv, "the projection")?);
    attention_step_at(
        qkv,
        shape,
        [cos, sin],
        At { start, step: &step },
        keys,
        values,
    )
}

/// As [`attention_step`].
pub(super) fn attention_step_at(
    qkv: Tensor<2>,
    shape: Heads,
    [cos, sin]: [&Tensor<2>; 2],
    At { start, step }: At<'_>,
    keys: &Tensor<3>,
    values: &Tensor<3>,
) -> Result<Tensor<2>, KernelError> {
    let capacity = check(shape, 1, start, keys.dims())?;
    let Heads {
        heads,
        kv_heads,
        head_dim,
    } = shape;
    if qkv.dims() != [1, (heads + 2 * kv_heads) * head_dim]
        || values.dims() != keys.dims()
        || !reaches(cos, start + 1, head_dim)
        || !reaches(sin, start + 1, head_dim)
        || !head_dim.is_multiple_of(HEAD_DIM_UNIT)
    {
        return Err(KernelError::InvalidArgument(format!(
            "a step of {:?} turned by {:?} and {:?} into {:?} and {:?} for {shape:?}",
            qkv.dims(),
            cos.dims(),
            sin.dims(),
            keys.dims(),
            values.dims()
        )));
    }
    let device = qkv.device();
    let qkv = need(&qkv, "the projection")?;
    let (cos, sin) = (need(cos, "the cosines")?, need(sin, "the sines")?);
    let (keys, values) = (need(keys, "the keys")?, need(values, "the values")?);
    let words = [heads, heads / kv_heads, head_dim, capacity, SPAN].map(|word| word as u32);
    let parameters = parameters(&words, &qkv);
    let parts = (start + 1).div_ceil(SPAN);
    let shader = Shader::plain(Name::AttentionStep, 64)
        .constant("STEPS", head_dim.div_ceil(64) as u32)
        .feature("PARTS", parts > 1);
    let shared = Shared {
        shape,
        tokens: 1,
        capacity,
        parts,
    };
    shared.finish(&device, |out| {
        let bound = [
            Bound::Read(&parameters),
            Bound::Read(step),
            Bound::Read(&qkv),
            Bound::Read(&cos),
            Bound::Read(&sin),
            Bound::Both(&keys),
            Bound::Both(&values),
            Bound::Write(out),
        ];
        launch(shader, &bound, [heads, 1, parts]);
    })
}
