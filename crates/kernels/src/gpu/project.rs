//! Products of activations with a [`GpuMatrix`], with what comes before and after them.

use burn::backend::wgpu::CubeTensor;
use burn::tensor::{Device, Tensor};
use lexigraft_checkpoint::DType;

use super::launch::{Bound, launch, parameters};
use super::matrix::{GpuMatrix, Shard};
use super::shader::{Name, Shader};
use super::tensor::{empty, into_tensor, need};
use super::{add_rows, format, is_software, rms_norm, swiglu};
use crate::KernelError;
use crate::gpu::format::CHUNK;

/// The longest rows that the fused normalisation holds in workgroup memory.
const MAX_NORM_COLS: usize = 3072;

/// What is done in the same launch as the product, where it can be, and beside it otherwise.
#[derive(Debug, Clone, Copy, Default)]
pub struct Around<'a> {
    /// `x` goes through RMS normalisation first, with these gains `[cols]` and this epsilon.
    pub norm: Option<(&'a Tensor<1>, f64)>,
    /// The matrix holds the rows of a gate, then as many of its partner: the result is
    /// `silu(gate) partner`, half as wide.
    pub swiglu: bool,
    /// `[rows]`, added to the product.
    pub bias: Option<&'a Tensor<1>>,
    /// `x Φ(x)` of the product and its bias (arXiv 1606.08415).
    pub gelu: bool,
    /// Shaped as the result, added to it.
    pub residual: Option<&'a Tensor<2>>,
}

/// How a product is shared among invocations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// Eight invocations share a row; more than four tokens go through [`Tiles`](Self::Tiles).
    Hardware,
    /// An invocation has several rows to itself; more than four tokens through singles go through
    /// `matmul_registers.wgsl`. Software devices run invocations as lanes of a SIMD register, and
    /// have no workgroup memory that is faster than the rest.
    Software,
    /// Tiles of 32 tokens by 64 rows in workgroup memory.
    Tiles,
}

/// The form of `matvec.wgsl`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Vectors {
    tokens: usize,
    each: usize,
    tiles: usize,
    lanes: usize,
}

/// A kernel that makes products.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// `matvec.wgsl`
    Vectors(Vectors),
    /// `matmul.wgsl`
    Tiles,
    /// `matmul_registers.wgsl`
    Registers,
}

/// Rows of an invocation of `matmul_registers.wgsl`, and its tokens.
const REGISTERS: [usize; 2] = [12, 8];

impl Sharing {
    /// What suits the device.
    pub(super) fn of(device: &Device) -> Self {
        if is_software(device) {
            Self::Software
        } else {
            Self::Hardware
        }
    }

    /// The form for so many tokens through a matrix that is `singles` or of blocks.
    fn form(self, tokens: usize, singles: bool) -> Form {
        let tokens = match tokens {
            0 | 1 => 1,
            2 => 2,
            3 | 4 => 4,
            _ if self == Self::Software && singles => return Form::Registers,
            _ if self == Self::Software => 4,
            _ => return Form::Tiles,
        };
        let (each, tiles, lanes) = match self {
            Self::Tiles => return Form::Tiles,
            Self::Hardware => (1, 1, 8),
            Self::Software if tokens == 1 => (4, 2, 1),
            Self::Software => (8, 2, 1),
        };
        Form::Vectors(Vectors {
            tokens,
            each,
            tiles,
            lanes,
        })
    }
}

/// `around(x Wᵀ)`: `[tokens, cols] -> [tokens, rows]`, or half the rows with SwiGLU.
///
/// # Errors
/// `invalid-argument` when shapes do not fit or a tensor is not `f32` on the wgpu device.
pub fn project(
    x: Tensor<2>,
    weight: &GpuMatrix,
    around: Around<'_>,
) -> Result<Tensor<2>, KernelError> {
    let sharing = Sharing::of(&x.device());
    project_as(x, weight, around, sharing)
}

/// As [`project`], shared as it is told: for tests.
///
/// # Errors
/// As [`project`].
pub fn project_as(
    x: Tensor<2>,
    weight: &GpuMatrix,
    around: Around<'_>,
    sharing: Sharing,
) -> Result<Tensor<2>, KernelError> {
    let [tokens, cols] = x.dims();
    let device = x.device();
    let singles = weight.shards.iter().all(|shard| shard.dtype == DType::F32);
    let form = sharing.form(tokens, singles);
    let by_vectors = matches!(form, Form::Vectors(_));
    let wide = if around.swiglu {
        weight.rows() / 2
    } else {
        weight.rows()
    };
    check(x.dims(), weight, &around, wide)?;

    // What the launch cannot do itself is done beside it.
    let fused_norm = tokens == 1 && by_vectors && cols <= MAX_NORM_COLS;
    let fused_gate =
        by_vectors && weight.shards.len() == 1 && around.bias.is_none() && !around.gelu;
    if let Some((gain, eps)) = around.norm
        && !fused_norm
    {
        let x = rms_norm(x, gain, eps)?;
        let around = Around {
            norm: None,
            ..around
        };
        return project_as(x, weight, around, sharing);
    }
    if around.swiglu && !fused_gate {
        let inner = Around {
            swiglu: false,
            residual: None,
            ..around
        };
        let out = swiglu(project_as(x, weight, inner, sharing)?)?;
        return match around.residual {
            Some(residual) => {
                let rows = out.dims()[0];
                add_rows(out, residual, rows)
            }
            None => Ok(out),
        };
    }

    let product = Product {
        tokens,
        wide,
        form,
        x: need(&x, "x")?,
        out: empty([tokens, wide], &device)?,
        norm: around
            .norm
            .map(|(gain, eps)| Ok::<_, KernelError>((need(gain, "the gain")?, eps as f32)))
            .transpose()?,
        swiglu: around.swiglu,
        gelu: around.gelu,
        bias: around.bias.map(|bias| need(bias, "the bias")).transpose()?,
        residual: around
            .residual
            .map(|residual| need(residual, "the residual"))
            .transpose()?,
    };
    for shard in &weight.shards {
        product.launch(shard, cols / CHUNK);
    }
    Ok(into_tensor(product.out))
}

fn check(
    [tokens, cols]: [usize; 2],
    weight: &GpuMatrix,
    around: &Around<'_>,
    wide: usize,
) -> Result<(), KernelError> {
    let invalid = |message: &str| {
        Err(KernelError::InvalidArgument(format!(
            "[{tokens}, {cols}] through {weight:?}: {message}"
        )))
    };
    if tokens == 0 || cols != weight.cols() {
        return invalid("a product takes at least one token, as long as a row");
    }
    if around.swiglu && !weight.rows().is_multiple_of(2) {
        return invalid("a gate and its partner take an even number of rows");
    }
    if around.norm.is_some_and(|(gain, _)| gain.dims() != [cols])
        || around
            .bias
            .is_some_and(|bias| bias.dims() != [weight.rows()])
        || around
            .residual
            .is_some_and(|residual| residual.dims() != [tokens, wide])
    {
        return invalid("gain, bias and residual must be as long as x, a row of W x and W x");
    }
    Ok(())
}

struct Product {
    tokens: usize,
    wide: usize,
    form: Form,
    x: CubeTensor,
    out: CubeTensor,
    norm: Option<(CubeTensor, f32)>,
    swiglu: bool,
    bias: Option<CubeTensor>,
    gelu: bool,
    residual: Option<CubeTensor>,
}

impl Product {
    fn launch(&self, shard: &Shard, chunks: usize) {
        let rows = if self.swiglu { self.wide } else { shard.rows };
        let words = [
            shard.total,
            chunks,
            rows,
            self.tokens,
            self.wide,
            shard.first,
            self.norm
                .as_ref()
                .map_or(0, |(_, eps)| eps.to_bits() as usize),
        ]
        .map(|word| word as u32);
        let parameters = parameters(&words, &self.x);
        let mut bound = vec![Bound::Read(&parameters), Bound::Read(&shard.quants)];
        bound.extend(shard.words.as_ref().map(Bound::Read));
        bound.push(Bound::Read(&self.x));
        bound.push(Bound::Write(&self.out));
        bound.extend(self.norm.as_ref().map(|(gain, _)| Bound::Read(gain)));
        bound.extend(self.bias.as_ref().map(Bound::Read));
        bound.extend(self.residual.as_ref().map(Bound::Read));
        let (shader, groups) = match self.form {
            Form::Vectors(Vectors {
                tokens,
                each,
                tiles,
                lanes,
            }) => {
                let shader = Shader::plain(Name::Matvec, (16 * tiles * lanes) as u32)
                    .constant("TILES", tiles as u32)
                    .constant("EACH", each as u32)
                    .constant("LANES", lanes as u32)
                    .constant("TOKENS", tokens as u32)
                    .feature("SPLIT", lanes > 1)
                    .feature("NORM", self.norm.is_some())
                    .feature("SWIGLU", self.swiglu);
                let groups = [
                    rows.div_ceil(16 * tiles * each),
                    self.tokens.div_ceil(tokens),
                    1,
                ];
                (shader, groups)
            }
            Form::Tiles => (
                Shader::plain(Name::Matmul, 128),
                [rows.div_ceil(64), self.tokens.div_ceil(32), 1],
            ),
            Form::Registers => {
                let [each, tokens] = REGISTERS;
                let shader = Shader::plain(Name::MatmulRegisters, 16)
                    .constant("EACH", each as u32)
                    .constant("TOKENS", tokens as u32);
                let groups = [rows.div_ceil(16 * each), self.tokens.div_ceil(tokens), 1];
                (shader, groups)
            }
        };
        let mut shader = shader
            .feature("BIAS", self.bias.is_some())
            .feature("GELU", self.gelu)
            .feature("RESIDUAL", self.residual.is_some())
            .feature("WORDS", format::has_words(shard.dtype));
        shader.format = Some(shard.dtype);
        launch(shader, &bound, groups);
    }
}
