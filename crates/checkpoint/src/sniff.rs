//! Which format a file has, judged by its first bytes.

use crate::source::{ByteSource, read_exact};
use crate::{CheckpointError, gguf, onnx, safetensors};

pub(crate) enum Sniffed {
    Gguf,
    /// With the header length that its first eight bytes hold.
    Safetensors(u64),
    Onnx,
}

/// What people hand over by mistake, and what it begins with.
const OTHERS: [(&[u8], &str); 9] = [
    (
        b"PK\x03\x04",
        "a zip archive, perhaps a PyTorch checkpoint: export it as safetensors",
    ),
    (
        b"\x80\x02",
        "a Python pickle: export the weights as safetensors",
    ),
    (b"ggml", "an old ggml file: convert it to GGUF"),
    (b"ggjt", "an old ggml file: convert it to GGUF"),
    (b"lmgg", "an old ggml file: convert it to GGUF"),
    (b"tjgg", "an old ggml file: convert it to GGUF"),
    (
        b"version https://git-lfs",
        "a Git LFS pointer: download the file that it points to",
    ),
    (b"<", "a web page: use the address of the file itself"),
    (b"\x1f\x8b", "compressed with gzip: unpack it first"),
];

pub(crate) async fn sniff<S: ByteSource>(source: &S) -> Result<Sniffed, CheckpointError> {
    let len = source.len();
    if len == 0 {
        return Err(CheckpointError::Malformed("the file is empty".to_owned()));
    }
    let head = read_exact(source, 0..len.min(24)).await?;
    if head.starts_with(&gguf::MAGIC) {
        return Ok(Sniffed::Gguf);
    }
    // Before the others: a header's length may begin like any of them.
    let start = safetensors::LENGTH_BYTES as usize;
    if let (Some(&length), Some(b'{')) = (head.first_chunk(), head.get(start)) {
        return Ok(Sniffed::Safetensors(u64::from_le_bytes(length)));
    }
    if onnx::looks_like(&head) {
        return Ok(Sniffed::Onnx);
    }
    if let Some((_, what)) = OTHERS.iter().find(|(magic, _)| head.starts_with(magic)) {
        return Err(CheckpointError::UnsupportedFormat(format!(
            "the file is none of GGUF, safetensors and ONNX: it is {what}"
        )));
    }
    if head.len() <= start {
        return Err(CheckpointError::Malformed(format!(
            "the file is only {len} bytes long, too short for a checkpoint"
        )));
    }
    Err(CheckpointError::UnsupportedFormat(
        "the file is none of GGUF, safetensors and ONNX. Use a .gguf, a .safetensors or an .onnx file".to_owned(),
    ))
}
