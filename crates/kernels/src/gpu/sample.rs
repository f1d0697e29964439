//! From logits to what is read back: one id, or the logarithms of byte probabilities.

use burn::backend::wgpu::CubeTensor;
use burn::tensor::{Device, Tensor};

use super::launch::{Bound, launch, le_bytes, parameters};
use super::shader::{Name, Shader};
use super::tensor::{empty, into_tensor, need, read_words, upload};
use crate::KernelError;

/// The first of the largest elements of each row: `[rows, width] -> [rows]`, read back. NaN is
/// never it; `None` where no element is a finite number.
///
/// # Errors
/// `invalid-argument` for no elements or a tensor that is not `f32` on the wgpu device,
/// `device-lost` when the result cannot be read.
pub async fn argmax(x: Tensor<2>) -> Result<Vec<Option<u32>>, KernelError> {
    let [rows, width] = x.dims();
    if rows == 0 || width == 0 {
        return Err(KernelError::InvalidArgument(format!(
            "there is no largest of {rows} x {width} elements"
        )));
    }
    // Four bytes an id, as a single has.
    let out = empty([rows], &x.device())?;
    let from = need(&x, "the logits")?;
    let parameters = parameters(&[width as u32], &from);
    launch(
        Shader::plain(Name::Argmax, 256),
        &[
            Bound::Read(&parameters),
            Bound::Read(&from),
            Bound::Write(&out),
        ],
        [rows, 1, 1],
    );
    drop(x);
    let words = read_words(out).await?;
    let ids = words.into_iter().map(u32::from_le_bytes);
    Ok(ids
        .map(|id| ((id as usize) < width).then_some(id))
        .collect())
}

/// The most elements that [`top_k`] gives.
pub const MAX_TOP_K: usize = 128;

/// The `k` largest of `logits` `[1, width]` with their ids, the largest first and of equal ones the
/// smaller id, read back. NaN is never among them, so there may be fewer.
///
/// # Errors
/// `invalid-argument` when `k` is 0 or above [`MAX_TOP_K`], for more than one row, or a tensor that
/// is not `f32` on the wgpu device; `device-lost` when the result cannot be read.
pub async fn top_k(logits: Tensor<2>, k: usize) -> Result<Vec<(u32, f32)>, KernelError> {
    const SLICE: usize = 1024;
    let [rows, width] = logits.dims();
    if rows != 1 || width == 0 || k == 0 || k > MAX_TOP_K {
        return Err(KernelError::InvalidArgument(format!(
            "the {k} largest of {rows} x {width} elements: give one row and 1 to {MAX_TOP_K}"
        )));
    }
    let device = logits.device();
    let mut from = need(&logits, "the logits")?;
    drop(logits);
    let (mut count, mut pairs) = (width, false);
    loop {
        let slices = count.div_ceil(SLICE);
        let out = empty([slices * k, 2], &device)?;
        let parameters = parameters(&[count as u32, k as u32], &from);
        launch(
            Shader::plain(Name::TopK, 256).feature("PAIRS", pairs),
            &[
                Bound::Read(&parameters),
                Bound::Read(&from),
                Bound::Write(&out),
            ],
            [slices, 1, 1],
        );
        (from, count, pairs) = (out, slices * k, true);
        if slices == 1 {
            break;
        }
    }
    let words = read_words(from).await?;
    let (found, _) = words.as_chunks::<2>();
    let found = found.iter().map(|pair| pair.map(u32::from_le_bytes));
    let value = |key: u32| {
        f32::from_bits(if key >> 31 == 1 {
            key & 0x7fff_ffff
        } else {
            !key
        })
    };
    Ok(found
        .take_while(|[key, _]| *key != 0)
        .map(|[key, id]| (id, value(key)))
        .collect())
}

/// Natural log-probability of one id a row, gathered from the log-softmax of the logits:
/// `[rows, width] -> [rows]`.
///
/// # Errors
/// `invalid-argument` when there is not one id below `width` a row, or the tensor is not `f32` on
/// the wgpu device.
pub fn target_log_probs(logits: Tensor<2>, targets: &[u32]) -> Result<Tensor<1>, KernelError> {
    let [rows, width] = logits.dims();
    if rows == 0 || targets.len() != rows || targets.iter().any(|&id| id as usize >= width) {
        return Err(KernelError::InvalidArgument(format!(
            "{} targets for logits {:?}: give one below the width a row",
            targets.len(),
            logits.dims()
        )));
    }
    let out = empty([rows], &logits.device())?;
    let from = need(&logits, "the logits")?;
    let targets = upload(le_bytes(targets), &from);
    let parameters = parameters(&[width as u32], &from);
    launch(
        Shader::plain(Name::TargetLogProbs, 256),
        &[
            Bound::Read(&parameters),
            Bound::Read(&from),
            Bound::Read(&targets),
            Bound::Write(&out),
        ],
        [rows, 1, 1],
    );
    Ok(into_tensor(out))
}

/// Which ids belong to which segment, on the device: for bytes, the tokens whose text begins with
/// each byte, and those that end the text.
#[derive(Debug, Clone)]
pub struct Segments {
    members: CubeTensor,
    bounds: CubeTensor,
    count: usize,
    /// The largest member.
    last: u32,
}

impl Segments {
    /// # Errors
    /// `invalid-argument` when all segments are empty or `device` is not the wgpu device.
    pub fn new(segments: &[Vec<u32>], device: &Device) -> Result<Self, KernelError> {
        let members = segments.concat();
        let Some(&last) = members.iter().max() else {
            return Err(KernelError::InvalidArgument(
                "no segment has a member".to_owned(),
            ));
        };
        let mut bounds = vec![0];
        let mut end = 0;
        for segment in segments {
            end += segment.len() as u32;
            bounds.push(end);
        }
        let like = empty([1], device)?;
        Ok(Self {
            members: upload(le_bytes(&members), &like),
            bounds: upload(le_bytes(&bounds), &like),
            count: segments.len(),
            last,
        })
    }
}

/// Natural logarithms of the probabilities of segments, which add up to one:
/// `out[s] = log Σ_{i in s} e^x[i] - log Σ_all e^x`. An empty segment is -1e30.
///
/// # Errors
/// `invalid-argument` when a member is outside `logits` or that is not `f32` on the wgpu device.
pub fn segment_log_probs(logits: Tensor<1>, segments: &Segments) -> Result<Tensor<1>, KernelError> {
    let [width] = logits.dims();
    if segments.last as usize >= width {
        return Err(KernelError::InvalidArgument(format!(
            "member {} of a segment is outside {width} logits",
            segments.last
        )));
    }
    let out = empty([segments.count], &logits.device())?;
    let from = need(&logits, "the logits")?;
    launch(
        Shader::plain(Name::ByteSegments, 64),
        &[
            Bound::Read(&from),
            Bound::Read(&segments.members),
            Bound::Read(&segments.bounds),
            Bound::Write(&out),
        ],
        [segments.count, 1, 1],
    );
    let parameters = parameters(&[segments.count as u32], &from);
    launch(
        Shader::plain(Name::ByteNormalize, 64),
        &[Bound::Read(&parameters), Bound::Both(&out)],
        [1, 1, 1],
    );
    Ok(into_tensor(out))
}
