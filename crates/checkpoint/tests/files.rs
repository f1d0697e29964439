//! Well-formed files: what is read is what was written.

mod common;

use std::cell::{Cell, RefCell};
use std::ops::{ControlFlow, Range};

use common::gguf::{Gguf, array, kind, rich, str_value, string, tensor};
use common::{open, read_f32};
use lexigraft_checkpoint::{
    ByteSource, CHUNK_BYTES, Checkpoint, CheckpointError, DType, Format, MemorySource, OtherType,
    TensorInfo, Value,
};

#[test]
fn gguf_metadata_keeps_every_kind() {
    let checkpoint = open(rich().build()).unwrap();
    let metadata = checkpoint.metadata();
    assert_eq!(checkpoint.format(), Format::Gguf { version: 3 });
    assert_eq!(
        metadata.require_str("general.architecture").unwrap(),
        "llama"
    );
    assert_eq!(metadata.get_u64("u8").unwrap(), Some(200));
    assert_eq!(metadata.get("i8"), Some(&Value::I64(-3)));
    assert_eq!(metadata.get_u32("u16").unwrap(), Some(60000));
    assert_eq!(metadata.get_f64("i16").unwrap(), Some(-300.0));
    assert_eq!(metadata.require_u32("u32").unwrap(), 4_000_000_000);
    assert_eq!(metadata.get("i32"), Some(&Value::I64(-70000)));
    assert_eq!(metadata.require_f64("f32").unwrap(), 1.5);
    assert!(metadata.require_bool("true").unwrap());
    assert_eq!(metadata.require_u64("u64").unwrap(), u64::MAX);
    assert_eq!(metadata.get("i64"), Some(&Value::I64(i64::MIN)));
    assert_eq!(metadata.get_f64("f64").unwrap(), Some(-0.1));
    assert_eq!(metadata.require_str_array("empty").unwrap().len(), 0);
    assert_eq!(
        metadata.require_str_array("strings").unwrap(),
        ["", "a", "é", "grün"]
    );
    assert_eq!(metadata.get_u64_array("i32s").unwrap(), Some(vec![1, 2]));
    assert_eq!(metadata.get_u32_array("i32s").unwrap(), Some(vec![1, 2]));
    assert_eq!(
        metadata.get_f32_array("f32s").unwrap(),
        Some(vec![1.0, -2.0])
    );
    assert_eq!(
        metadata.get_f64_array("i32s").unwrap(),
        Some(vec![1.0, 2.0])
    );
    assert_eq!(metadata.get_u64("absent").unwrap(), None);
    assert_eq!(metadata.keys().count(), metadata.len());
    assert_eq!(metadata.keys().next(), Some("general.architecture"));
}

#[test]
fn metadata_of_the_wrong_kind_is_named() {
    let checkpoint = open(rich().build()).unwrap();
    let m = checkpoint.metadata();
    let rows = [
        (
            m.get_str("u8").err(),
            "bad-checkpoint",
            "`u8` holds an unsigned integer where a string",
        ),
        (
            m.get_u64("i8").err(),
            "bad-checkpoint",
            "`i8` holds a signed integer",
        ),
        (
            m.get_u64("f32").err(),
            "bad-checkpoint",
            "`f32` holds a float",
        ),
        (
            m.get_u32("u64").err(),
            "bad-checkpoint",
            "from 0 to 4294967295",
        ),
        (
            m.get_f64("true").err(),
            "bad-checkpoint",
            "`true` holds a boolean",
        ),
        (m.get_bool("u8").err(), "bad-checkpoint", "where a boolean"),
        (
            m.get_str_array("i32s").err(),
            "bad-checkpoint",
            "an array of integers",
        ),
        (
            m.get_str_array("general.architecture").err(),
            "bad-checkpoint",
            "holds a string",
        ),
        (
            m.get_u64_array("negatives").err(),
            "bad-checkpoint",
            "non-negative",
        ),
        (
            m.get_u32_array("negatives").err(),
            "bad-checkpoint",
            "`negatives`",
        ),
        (
            m.get_u64_array("f32s").err(),
            "bad-checkpoint",
            "an array of floats",
        ),
        (
            m.get_f64_array("nested").err(),
            "bad-checkpoint",
            "an array of arrays",
        ),
        (
            m.get_f32_array("bools").err(),
            "bad-checkpoint",
            "an array of booleans",
        ),
        (
            m.require_str("absent").err(),
            "bad-config",
            "`absent` is missing",
        ),
        (
            m.require_u64("absent").err(),
            "bad-config",
            "`absent` is missing",
        ),
        (m.require_str("u8").err(), "bad-checkpoint", "`u8`"),
    ];
    for (error, code, fragment) in rows {
        let error = error.unwrap();
        assert_eq!(error.code(), code, "{error}");
        assert!(error.to_string().contains(fragment), "{error}");
    }
}

#[test]
fn gguf_tensors_are_row_major_and_in_place() {
    let values: Vec<u8> = (0..6).flat_map(|i| (i as f32).to_le_bytes()).collect();
    for version in [2, 3] {
        let mut file = Gguf::new()
            .tensor(tensor("half", &[1], 1, vec![0x00, 0x3c]))
            .tensor(tensor("matrix", &[3, 2], 0, values.clone()));
        file.version = version;
        let bytes = file.build();
        let checkpoint = open(bytes.clone()).unwrap();
        assert_eq!(checkpoint.format(), Format::Gguf { version });
        let matrix = checkpoint.tensor("matrix").unwrap();
        assert_eq!(matrix.shape, [2, 3]);
        assert_eq!((matrix.elements(), matrix.bytes()), (6, 24));
        assert_eq!(
            bytes[matrix.range.start as usize..matrix.range.end as usize],
            values
        );
        assert_eq!(
            read_f32(&checkpoint, "matrix").unwrap(),
            [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
        );
        assert_eq!(read_f32(&checkpoint, "half").unwrap(), [1.0]);
        assert_eq!(
            pollster::block_on(checkpoint.read_blocks(matrix)).unwrap(),
            values
        );
        let names: Vec<_> = checkpoint
            .tensors()
            .map(|tensor| tensor.name.as_str())
            .collect();
        assert_eq!(names, ["half", "matrix"]);
    }
}

#[test]
fn every_type_opens_and_reads() {
    let checkpoint = open(rich().build()).unwrap();
    for tensor in checkpoint
        .tensors()
        .filter(|tensor| tensor.dtype.is_supported())
    {
        let values = read_f32(&checkpoint, &tensor.name).unwrap();
        assert_eq!(values.len(), tensor.elements(), "{}", tensor.name);
    }
    let other = checkpoint.tensor("other").unwrap();
    assert_eq!(other.dtype, DType::Other(OtherType::Ggml(24)));
    assert_eq!((other.dtype.name(), other.bytes()), ("I8", 3));
}

#[test]
fn safetensors_reads() {
    let checkpoint = open(common::safetensors::rich()).unwrap();
    assert_eq!(checkpoint.format(), Format::Safetensors);
    assert_eq!(checkpoint.metadata().require_str("format").unwrap(), "pt");
    let ids = checkpoint.tensor("position_ids").unwrap();
    assert_eq!(ids.dtype, DType::Other(OtherType::Safetensors("I64")));
    for name in ["f32", "f16", "bf16", "none"] {
        let values = read_f32(&checkpoint, name).unwrap();
        assert_eq!(values.len(), checkpoint.tensor(name).unwrap().elements());
    }
    assert_eq!(
        open(common::safetensors::file("{}", &[]))
            .unwrap()
            .tensors()
            .count(),
        0
    );
}

/// A length is any number, and so may look like another format's magic.
#[test]
fn safetensors_headers_of_every_length_open() {
    for length in (2..2000).chain([35_615]) {
        let header = format!("{{}}{}", " ".repeat(length - 2));
        assert!(
            open(common::safetensors::file(&header, &[])).is_ok(),
            "{length}"
        );
    }
}

/// A file whose reads are counted, and which may answer short.
struct Counting {
    bytes: MemorySource,
    reads: RefCell<Vec<Range<u64>>>,
    short: Cell<bool>,
}

impl Counting {
    fn new(bytes: Vec<u8>) -> Self {
        Self {
            bytes: MemorySource::new(bytes),
            reads: RefCell::new(Vec::new()),
            short: Cell::new(false),
        }
    }
}

impl ByteSource for Counting {
    fn len(&self) -> u64 {
        self.bytes.len()
    }

    async fn read(&self, range: Range<u64>) -> Result<Vec<u8>, CheckpointError> {
        self.reads.borrow_mut().push(range.clone());
        let end = range.end - u64::from(self.short.get());
        self.bytes.read(range.start..end).await
    }
}

#[test]
fn reading_is_chunked_reported_and_stoppable() {
    let rows = 60_000u64;
    let bytes = rows as usize * 20 * 3;
    let file = Gguf::new()
        .tensor(tensor("w", &[96, rows], 3, vec![0x11; bytes]))
        .build();
    let source = Counting::new(file);
    let checkpoint = pollster::block_on(Checkpoint::open(&source)).unwrap();
    let info = checkpoint.tensor("w").unwrap();
    source.reads.borrow_mut().clear();

    let mut consumed = Vec::new();
    let values = pollster::block_on(checkpoint.read_f32(info, |bytes| {
        consumed.push(bytes);
        ControlFlow::Continue(())
    }));
    assert_eq!(values.unwrap().len(), 96 * rows as usize);
    assert_eq!(consumed.iter().sum::<u64>(), bytes as u64);
    assert_eq!(consumed.len(), bytes.div_ceil(CHUNK_BYTES));
    for range in source.reads.borrow().iter() {
        assert!(range.end - range.start <= CHUNK_BYTES as u64);
        assert_eq!((range.start - info.range.start) % 20, 0);
    }

    let mut left = 2;
    let stopped = pollster::block_on(checkpoint.read_f32(info, |_| {
        left -= 1;
        if left == 0 {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }));
    assert_eq!(stopped.unwrap_err().code(), "aborted");
    assert_eq!(left, 0);

    source.short.set(true);
    let short = pollster::block_on(checkpoint.read_blocks(info)).unwrap_err();
    assert_eq!(short.code(), "bad-checkpoint");
}

#[test]
fn a_header_larger_than_the_window_opens() {
    let tokens: Vec<String> = (0..300_000).map(|i| format!("token number {i}")).collect();
    let bytes: Vec<u8> = tokens
        .iter()
        .flat_map(|token| string(token.as_bytes()))
        .collect();
    let file = Gguf::new()
        .pair("tokens", array(kind::STR, tokens.len() as u64, &bytes))
        .pair("after", str_value("the end"))
        .tensor(tensor("w", &[4], 0, vec![0; 1 << 22]));
    let source = Counting::new(file.build());
    let checkpoint = pollster::block_on(Checkpoint::open(&source)).unwrap();
    assert_eq!(
        checkpoint.metadata().require_str_array("tokens").unwrap(),
        tokens
    );
    assert_eq!(
        checkpoint.metadata().require_str("after").unwrap(),
        "the end"
    );
    let reads = source.reads.borrow();
    assert!(reads.len() < 8, "{reads:?}");
}

#[test]
fn a_changed_description_is_refused() {
    let checkpoint = open(rich().build()).unwrap();
    let good = checkpoint.tensor("tensor.3").unwrap();
    let wrong = [
        TensorInfo {
            shape: vec![usize::MAX, 2],
            ..good.clone()
        },
        TensorInfo {
            shape: vec![1, 32],
            ..good.clone()
        },
        TensorInfo {
            dtype: DType::F32,
            ..good.clone()
        },
        TensorInfo {
            range: 0..u64::MAX,
            ..good.clone()
        },
    ];
    for info in wrong {
        let error = pollster::block_on(checkpoint.read_blocks(&info)).unwrap_err();
        assert_eq!(error.code(), "invalid-argument", "{error}");
    }
    let moved = TensorInfo {
        range: 1 << 40..(1 << 40) + good.bytes(),
        ..good.clone()
    };
    let error = pollster::block_on(checkpoint.read_blocks(&moved)).unwrap_err();
    assert_eq!(error.code(), "bad-checkpoint", "{error}");
}

#[test]
fn files_on_disk_are_read_and_missing_ones_named() {
    use lexigraft_checkpoint::FileSource;
    let path = std::env::temp_dir().join(format!("lexigraft-{}.gguf", std::process::id()));
    std::fs::write(&path, rich().build()).unwrap();
    let checkpoint =
        pollster::block_on(Checkpoint::open(FileSource::open(&path).unwrap())).unwrap();
    assert_eq!(read_f32(&checkpoint, "scalar").unwrap(), [0.0]);
    std::fs::remove_file(&path).unwrap();
    let error = FileSource::open(&path).unwrap_err();
    assert_eq!(error.code(), "io");
    assert!(error.to_string().contains("lexigraft-"), "{error}");
    assert_eq!(
        FileSource::open(std::env::temp_dir()).unwrap_err().code(),
        "io"
    );
}
