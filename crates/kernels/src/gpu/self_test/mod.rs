//! Each kernel against its twin, on small cases, before a device is trusted.

mod pictures;

use burn::tensor::{Device, Tensor};
use lexigraft_checkpoint::{DType, dequant};

use super::launch::{mark_checked, was_checked};
use super::tensor::{from_host, to_host};
use super::{
    Around, GpuMatrix, Segments, add_rows, argmax, attention, attention_step, full_attention,
    grow_cache, layer_norm, mean_rows, project, quick_gelu, rms_norm, rope_append, row, rows,
    segment_log_probs, swiglu, target_log_probs, top_k, twin,
};
use crate::KernelError;
use crate::cpu::Heads;
use crate::ops::{ByAttention, Matching};

/// What a self-test is about: kernels that are used together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Checked {
    /// What a decoder uses beside products.
    Decoder,
    /// What an encoder uses beside products.
    Encoder,
    /// Merging tokens of pictures.
    Merging,
    /// Dropping tokens of pictures.
    Keeping,
    /// Making maps of pictures larger.
    Upsample,
    /// The activation of CLIP's networks.
    QuickGelu,
    /// Probabilities of segments, such as bytes.
    Segments,
    /// Products with one block format, and its rows.
    Format(DType),
}

/// Runs kernels on small cases and compares them with their twins, once a device.
///
/// A shader that fails validation can leave stale data without an error, so agreement is asked for
/// before a device is used. What nobody uses is not compiled for it.
///
/// # Errors
/// `device-lost` when a kernel disagrees or its result cannot be read.
pub async fn self_test(device: &Device, what: Checked) -> Result<(), KernelError> {
    if was_checked(what, device)? {
        return Ok(());
    }
    let mut cases = Cases {
        device,
        numbers: Numbers(1),
    };
    match what {
        Checked::Decoder => {
            cases.norms().await?;
            cases.rearranged().await?;
            cases.cached_attention().await?;
            cases.argmax().await?;
        }
        Checked::Encoder => {
            cases.layer_norms().await?;
            cases.rearranged().await?;
            cases.full_attention().await?;
        }
        Checked::Merging => {
            cases.merging(Matching::Bipartite).await?;
            cases.merging(Matching::Ward).await?;
        }
        Checked::Keeping => {
            for attended in [
                ByAttention::Most,
                ByAttention::MostAndFused,
                ByAttention::Least,
            ] {
                cases.keep_attended(attended).await?;
            }
            cases.keep_diverse().await?;
        }
        Checked::Upsample => cases.upsample().await?,
        Checked::QuickGelu => cases.quick_gelu().await?,
        Checked::Segments => cases.segments().await?,
        Checked::Format(dtype) => cases.products(dtype).await?,
    }
    mark_checked(what, device)
}

/// A sequence of numbers that look like chance, the same everywhere (SplitMix64).
struct Numbers(u64);

impl Numbers {
    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    fn floats(&mut self, len: usize) -> Vec<f32> {
        let mut float = || (self.bits() >> 40) as f32 / (1 << 23) as f32 - 1.0;
        (0..len).map(|_| float()).collect()
    }

    /// Bytes of `elements` elements whose halves are small and finite.
    fn blocks(&mut self, dtype: DType, elements: usize) -> Vec<u8> {
        let bytes = elements / dtype.block_len().max(1) * dtype.block_bytes();
        let mut blocks: Vec<u8> = (0..bytes).map(|_| self.bits() as u8).collect();
        let places: &[usize] = match dtype {
            DType::Q4_0 | DType::Q5_0 | DType::Q8_0 => &[0],
            DType::Q4_1 | DType::Q5_1 | DType::Q4K | DType::Q5K => &[0, 2],
            DType::Q6K => &[208],
            _ => &[],
        };
        match dtype {
            DType::F16 | DType::BF16 => {
                for high in blocks.iter_mut().skip(1).step_by(2) {
                    // Exponents far from infinity.
                    *high &= 0xbb;
                }
            }
            DType::F32 => {
                let floats = self.floats(elements);
                blocks = floats.iter().flat_map(|x| x.to_le_bytes()).collect();
            }
            _ => {
                for block in blocks.chunks_mut(dtype.block_bytes().max(1)) {
                    for &place in places {
                        if let Some(high) = block.get_mut(place + 1) {
                            *high = *high & 0x83 | 0x20;
                        }
                    }
                }
            }
        }
        blocks
    }
}

struct Cases<'a> {
    device: &'a Device,
    numbers: Numbers,
}

impl Cases<'_> {
    fn tensor<const D: usize>(
        &self,
        values: &[f32],
        shape: [usize; D],
    ) -> Result<Tensor<D>, KernelError> {
        from_host(values, shape, self.device)
    }

    async fn norms(&mut self) -> Result<(), KernelError> {
        let (tokens, width) = (3, 97);
        let x = self.numbers.floats(tokens * width);
        let gain = self.numbers.floats(width);
        let gains = self.tensor(&gain, [width])?;
        let out = rms_norm(self.tensor(&x, [tokens, width])?, &gains, 1e-5)?;
        agree("rms_norm", out, &twin::rms_norm(&x, &gain, 1e-5), 1e-5).await?;
        let gate_up = self.numbers.floats(2 * tokens * width);
        let out = swiglu(self.tensor(&gate_up, [tokens, 2 * width])?)?;
        agree("swiglu", out, &twin::swiglu(&wide(&gate_up), width), 1e-6).await
    }

    async fn layer_norms(&mut self) -> Result<(), KernelError> {
        let (tokens, width) = (3, 97);
        let x = self.numbers.floats(tokens * width);
        let gain = self.numbers.floats(width);
        let gains = self.tensor(&gain, [width])?;
        let bias = self.numbers.floats(width);
        let x: Vec<f32> = x.iter().map(|x| x + 9.0).collect();
        let from = self.tensor(&x, [tokens, width])?;
        let out = layer_norm(from, &gains, &self.tensor(&bias, [width])?, 1e-12)?;
        let expected = twin::layer_norm(&x, &gain, &bias, 1e-12);
        agree("layer_norm", out, &expected, 1e-4).await
    }

    async fn quick_gelu(&mut self) -> Result<(), KernelError> {
        let (tokens, wide) = (3, 97);
        let x = self.numbers.floats(tokens * wide);
        let x: Vec<f32> = x.iter().map(|x| x * 8.0).collect();
        let out = quick_gelu(self.tensor(&x, [tokens, wide])?)?;
        let expected: Vec<f64> = x.iter().map(|x| twin::quick_gelu(f64::from(*x))).collect();
        agree("quick_gelu", out, &expected, 1e-5).await
    }

    async fn full_attention(&mut self) -> Result<(), KernelError> {
        let (heads, head_dim, tokens) = (3, 32, 70);
        let row = 3 * heads * head_dim;
        let qkv = self.numbers.floats(2 * tokens * row);
        let out = full_attention(self.tensor(&qkv, [2 * tokens, row])?, tokens, heads)?;
        let pictures = qkv.chunks_exact(tokens * row);
        let expected: Vec<f64> = pictures
            .flat_map(|qkv| twin::full_attention(qkv, heads, head_dim))
            .collect();
        agree("full_attention", out, &expected, 1e-5).await
    }

    async fn cached_attention(&mut self) -> Result<(), KernelError> {
        let shape = Heads {
            heads: 6,
            kv_heads: 2,
            head_dim: 64,
        };
        let (capacity, start, tokens) = (1100, 70, 11);
        let columns = (shape.heads + 2 * shape.kv_heads) * shape.head_dim;
        let qkv = self.numbers.floats(tokens * columns);
        let keys = self
            .numbers
            .floats(shape.kv_heads * capacity * shape.head_dim);
        let values = self.numbers.floats(keys.len());
        let positions = start + tokens;
        let [cos, sin] = [0, 1].map(|_| self.numbers.floats(positions * shape.head_dim));

        let expected = twin::rope_append(&qkv, shape, [&cos, &sin], start, [&keys, &values]);
        let (queries, new_keys, new_values) = &expected;
        let cache = [shape.kv_heads, capacity, shape.head_dim];
        let (k, v) = (self.tensor(&keys, cache)?, self.tensor(&values, cache)?);
        let table = [positions, shape.head_dim];
        let (c, s) = (self.tensor(&cos, table)?, self.tensor(&sin, table)?);
        let from = self.tensor(&qkv, [tokens, columns])?;
        let rotated = rope_append(from, shape, [&c, &s], start, &k, &v)?;
        agree("rope_append", rotated.clone(), &wide(queries), 1e-5).await?;
        agree("rope_append", k.clone(), &wide(new_keys), 1e-5).await?;
        agree("rope_append", v.clone(), &wide(new_values), 1e-6).await?;

        let out = attention(rotated, &k, &v, shape, start)?;
        let expected = twin::attention(queries, new_keys, new_values, shape, capacity, start);
        agree("attention", out, &expected, 1e-5).await?;
        self.steps(shape, [&keys, &values], capacity).await
    }

    /// One token in one launch: the first one, one among others, and one so far on that its work
    /// is shared.
    async fn steps(
        &mut self,
        shape: Heads,
        [keys, values]: [&[f32]; 2],
        capacity: usize,
    ) -> Result<(), KernelError> {
        for start in [0, 90, 1024] {
            let columns = (shape.heads + 2 * shape.kv_heads) * shape.head_dim;
            let qkv = self.numbers.floats(columns);
            let [cos, sin] = [0, 1].map(|_| self.numbers.floats((start + 1) * shape.head_dim));
            let (query, new_keys, new_values) =
                twin::rope_append(&qkv, shape, [&cos, &sin], start, [keys, values]);
            let expected = twin::attention(&query, &new_keys, &new_values, shape, capacity, start);
            let cache = [shape.kv_heads, capacity, shape.head_dim];
            let (k, v) = (self.tensor(keys, cache)?, self.tensor(values, cache)?);
            let table = [start + 1, shape.head_dim];
            let (c, s) = (self.tensor(&cos, table)?, self.tensor(&sin, table)?);
            let from = self.tensor(&qkv, [1, columns])?;
            let out = attention_step(from, shape, [&c, &s], start, &k, &v)?;
            agree("attention_step", out, &expected, 1e-5).await?;
            agree("attention_step", k, &wide(&new_keys), 1e-5).await?;
            agree("attention_step", v, &wide(&new_values), 1e-6).await?;
        }
        Ok(())
    }

    async fn argmax(&mut self) -> Result<(), KernelError> {
        let (rows, width) = (2, 1003);
        let mut x = self.numbers.floats(rows * width);
        // A tie: the first one wins.
        for place in [417, 418, width + 1000] {
            if let Some(x) = x.get_mut(place) {
                *x = 2.0;
            }
        }
        let found = argmax(self.tensor(&x, [rows, width])?).await?;
        let expected = twin::argmax(&x, width);
        if found != expected {
            return Err(differs("argmax", format!("{found:?}, not {expected:?}")));
        }
        // Twice as wide as a slice.
        let row = self.tensor(&x, [1, rows * width])?;
        let (found, expected) = (top_k(row, 40).await?, twin::top_k(&x, 40));
        if found != expected {
            return Err(differs("top_k", format!("{found:?}, not {expected:?}")));
        }
        let targets = [417, 1002];
        let out = target_log_probs(self.tensor(&x, [rows, width])?, &targets)?;
        let expected = twin::target_log_probs(&x, &targets);
        agree("target_log_probs", out, &expected, 1e-5).await
    }

    /// Sums, means and copies.
    async fn rearranged(&mut self) -> Result<(), KernelError> {
        let (tokens, width) = (3, 97);
        let x = self.numbers.floats(tokens * width);
        let table = self.numbers.floats((tokens + 2) * width);
        let from = self.tensor(&x, [tokens, width])?;
        let sum: Vec<f64> = x
            .iter()
            .zip(&table)
            .map(|(x, y)| f64::from(x + y))
            .collect();
        let table = self.tensor(&table, [tokens + 2, width])?;
        let out = add_rows(from.clone(), &table, tokens)?;
        agree("add_rows", out, &sum, 1e-6).await?;
        let mean = twin::mean_rows(&x, width);
        agree("mean_rows", mean_rows(from.clone(), tokens)?, &mean, 1e-5).await?;
        let (_, last) = x.split_at((tokens - 1) * width);
        agree("row", row(from, tokens - 1)?, &wide(last), 0.0).await?;
        // Two heads of a full cache of three positions, in one of four.
        let cache = self.numbers.floats(2 * 3 * 8);
        let grown = grow_cache(&self.tensor(&cache, [2, 3, 8])?, 3, 4)?;
        let grown = to_host(grown).await?;
        let heads = grown.chunks(4 * 8).zip(cache.chunks(3 * 8));
        if heads.into_iter().any(|(new, old)| !new.starts_with(old)) {
            return Err(differs("grow_cache", format!("{grown:?} of {cache:?}")));
        }
        Ok(())
    }

    async fn segments(&mut self) -> Result<(), KernelError> {
        let width = 1003;
        let mut segments = vec![Vec::new(); 257];
        for id in 0..width as u32 {
            // Segment 255 stays empty.
            let segment = segments.get_mut((id as usize * 7) % 255);
            segment.unwrap_or(&mut Vec::new()).push(id);
        }
        let logits = self.numbers.floats(width);
        let logits: Vec<f32> = logits.iter().map(|x| 20.0 * x).collect();
        let on_device = Segments::new(&segments, self.device)?;
        let out = segment_log_probs(self.tensor(&logits, [width])?, &on_device)?;
        let expected = twin::segment_log_probs(&logits, &segments);
        agree("segment_log_probs", out, &expected, 1e-5).await
    }

    async fn products(&mut self, dtype: DType) -> Result<(), KernelError> {
        let (height, cols) = (38, 512);
        let blocks = self.numbers.blocks(dtype, height * cols);
        let mut weight = vec![0.0; height * cols];
        dequant::dequantize(dtype, &blocks, &mut weight)?;
        let matrix = GpuMatrix::from_blocks(dtype, height, cols, &blocks, self.device)?;

        let ids = [0, 37, 5];
        let out = rows(&ids, &matrix)?;
        let chosen = ids.iter().flat_map(|&id| {
            let row = id as usize * cols;
            weight.get(row..row + cols).unwrap_or_default().iter()
        });
        let chosen: Vec<f64> = chosen.map(|x| f64::from(*x)).collect();
        agree(&format!("rows of {dtype}"), out, &chosen, 1e-5).await?;

        for tokens in [1, 35] {
            let x = self.numbers.floats(tokens * cols);
            let expected = twin::product(&x, &weight, cols);
            let from = self.tensor(&x, [tokens, cols])?;
            let what = format!("{tokens} tokens through {dtype}");
            let out = project(from, &matrix, Around::default())?;
            agree(&what, out, &expected, 1e-4).await?;
        }
        let x = self.numbers.floats(cols);
        let gain = self.numbers.floats(cols);
        let normed = twin::rms_norm(&x, &gain, 1e-5);
        let normed: Vec<f32> = normed.iter().map(|x| *x as f32).collect();
        let expected = twin::swiglu(&twin::product(&normed, &weight, cols), height / 2);
        let gains = self.tensor(&gain, [cols])?;
        let around = Around {
            norm: Some((&gains, 1e-5)),
            swiglu: true,
            ..Around::default()
        };
        let out = project(self.tensor(&x, [1, cols])?, &matrix, around)?;
        let what = format!("normalised and gated {dtype}");
        agree(&what, out, &expected, 1e-4).await
    }
}

fn wide(x: &[f32]) -> Vec<f64> {
    x.iter().map(|x| f64::from(*x)).collect()
}

/// Compares element by element; `tolerance` is relative to the largest expected one.
async fn agree<const D: usize>(
    kernel: &str,
    found: Tensor<D>,
    expected: &[f64],
    tolerance: f64,
) -> Result<(), KernelError> {
    let found = to_host(found).await?;
    if found.len() != expected.len() {
        return Err(differs(
            kernel,
            format!("{} elements, not {}", found.len(), expected.len()),
        ));
    }
    let finite = expected.iter().filter(|x| **x > -1e29);
    let largest = finite.fold(0f64, |most, x| most.max(x.abs()));
    for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
        // Empty segments are as far down as a single goes; both say so.
        let scale = largest.max(if *expected <= -1e29 { 1e30 } else { 0.0 });
        let distance = (f64::from(*found) - expected).abs();
        // NaN must fail too.
        if !distance.is_finite() || distance > tolerance * scale {
            let message = format!("element {index} is {found}, not {expected}");
            return Err(differs(kernel, message));
        }
    }
    Ok(())
}

fn differs(kernel: &str, message: String) -> KernelError {
    KernelError::SelfTest {
        kernel: kernel.to_owned(),
        message,
    }
}
