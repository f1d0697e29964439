//! Storage types: names, block lengths and block sizes.

use std::fmt;

/// How a tensor's elements are stored.
///
/// Quantised types store blocks of [`block_len`](DType::block_len) consecutive
/// elements of a row in [`block_bytes`](DType::block_bytes) bytes, as defined by
/// `ggml-common.h` of the ggml project.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(non_camel_case_types)]
pub enum DType {
    /// IEEE single precision.
    F32,
    /// IEEE half precision.
    F16,
    /// The upper half of an F32.
    BF16,
    /// 32 signed bytes and a half-precision scale.
    Q8_0,
    /// 32 nibbles around zero and a scale.
    Q4_0,
    /// 32 nibbles, a scale and a minimum.
    Q4_1,
    /// 32 five-bit values around zero and a scale.
    Q5_0,
    /// 32 five-bit values, a scale and a minimum.
    Q5_1,
    /// 256 nibbles in eight groups, each with a six-bit scale and minimum.
    Q4K,
    /// 256 five-bit values in eight groups, each with a six-bit scale and minimum.
    Q5K,
    /// 256 six-bit values in sixteen groups, each with an eight-bit scale.
    Q6K,
    /// A type that is listed but not decoded.
    Other(OtherType),
}

/// A storage type that this crate can name but not decode.
///
/// A file that holds such tensors opens: a BERT checkpoint carries I64 position
/// ids that nobody reads. Only reading one is an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OtherType {
    /// A ggml type by its number in `enum ggml_type`.
    Ggml(u32),
    /// A safetensors type by its name in the header; `unknown` when the
    /// `safetensors` crate does not know it either.
    Safetensors(&'static str),
    /// An ONNX type by its name in `TensorProto.DataType`.
    Onnx(&'static str),
}

impl DType {
    /// Elements in one block; 1 for the plain floats, 0 for [`DType::Other`].
    pub const fn block_len(self) -> usize {
        match self {
            Self::F32 | Self::F16 | Self::BF16 => 1,
            Self::Q8_0 | Self::Q4_0 | Self::Q4_1 | Self::Q5_0 | Self::Q5_1 => 32,
            Self::Q4K | Self::Q5K | Self::Q6K => 256,
            Self::Other(_) => 0,
        }
    }

    /// Bytes of one block; 0 for [`DType::Other`].
    pub const fn block_bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::BF16 => 2,
            Self::Q8_0 => 34,
            Self::Q4_0 => 18,
            Self::Q4_1 => 20,
            Self::Q5_0 => 22,
            Self::Q5_1 => 24,
            Self::Q4K => 144,
            Self::Q5K => 176,
            Self::Q6K => 210,
            Self::Other(_) => 0,
        }
    }

    /// Bytes that `elements` elements take, or `None` when they do not fill
    /// whole blocks, the result overflows or the type is not decoded.
    pub fn bytes_for(self, elements: u64) -> Option<u64> {
        let block_len = self.block_len() as u64;
        if block_len == 0 || !elements.is_multiple_of(block_len) {
            return None;
        }
        (elements / block_len).checked_mul(self.block_bytes() as u64)
    }

    /// Whether the tensor can be read.
    pub const fn is_supported(self) -> bool {
        !matches!(self, Self::Other(_))
    }

    /// The usual name, such as `Q4_1` or `Q4_K`. Types without one here are
    /// `unknown`; their [`Display`](fmt::Display) adds the number.
    pub const fn name(self) -> &'static str {
        match self {
            Self::F32 => "F32",
            Self::F16 => "F16",
            Self::BF16 => "BF16",
            Self::Q8_0 => "Q8_0",
            Self::Q4_0 => "Q4_0",
            Self::Q4_1 => "Q4_1",
            Self::Q5_0 => "Q5_0",
            Self::Q5_1 => "Q5_1",
            Self::Q4K => "Q4_K",
            Self::Q5K => "Q5_K",
            Self::Q6K => "Q6_K",
            Self::Other(OtherType::Safetensors(name) | OtherType::Onnx(name)) => name,
            Self::Other(OtherType::Ggml(id)) => ggml_name(id),
        }
    }

    /// The type of a number of `enum ggml_type`.
    pub(crate) const fn from_ggml(id: u32) -> Self {
        match id {
            0 => Self::F32,
            1 => Self::F16,
            2 => Self::Q4_0,
            3 => Self::Q4_1,
            6 => Self::Q5_0,
            7 => Self::Q5_1,
            8 => Self::Q8_0,
            12 => Self::Q4K,
            13 => Self::Q5K,
            14 => Self::Q6K,
            30 => Self::BF16,
            _ => Self::Other(OtherType::Ggml(id)),
        }
    }
}

/// Names of the ggml types that are not decoded, so that an error can say
/// what the file was quantised with.
const fn ggml_name(id: u32) -> &'static str {
    match id {
        9 => "Q8_1",
        10 => "Q2_K",
        11 => "Q3_K",
        15 => "Q8_K",
        16 => "IQ2_XXS",
        17 => "IQ2_XS",
        18 => "IQ3_XXS",
        19 => "IQ1_S",
        20 => "IQ4_NL",
        21 => "IQ3_S",
        22 => "IQ2_S",
        23 => "IQ4_XS",
        24 => "I8",
        25 => "I16",
        26 => "I32",
        27 => "I64",
        28 => "F64",
        29 => "IQ1_M",
        34 => "TQ1_0",
        35 => "TQ2_0",
        39 => "MXFP4",
        40 => "NVFP4",
        41 => "Q1_0",
        _ => "unknown",
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self, self.name()) {
            (Self::Other(OtherType::Ggml(id)), "unknown") => write!(f, "number {id} of ggml"),
            (_, name) => f.write_str(name),
        }
    }
}
