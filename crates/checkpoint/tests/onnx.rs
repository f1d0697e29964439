//! ONNX files: what is read, and what is refused with which code.

mod common;

use common::onnx::{bytes, model, node, number, rich, tensor, varint};
use common::{open, read_f32};
use lexigraft_checkpoint::{DType, Format, OtherType};

#[test]
fn every_way_to_store_floats_is_read_and_anonymous_matrices_are_named() {
    let checkpoint = open(rich()).unwrap();
    assert_eq!(checkpoint.format(), Format::Onnx);
    let names: Vec<&str> = checkpoint.tensors().map(|t| t.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "layer.0.bias",
            "layer.0.query.MatMul",
            "half",
            "positions",
            "packed"
        ]
    );
    let all = [1.0, -2.5, 3.0, 0.0, 5.5, 6.0];
    assert_eq!(read_f32(&checkpoint, "layer.0.bias").unwrap(), all[..3]);
    assert_eq!(read_f32(&checkpoint, "layer.0.query.MatMul").unwrap(), all);
    assert_eq!(read_f32(&checkpoint, "packed").unwrap(), all);
    assert_eq!(checkpoint.tensor("packed").unwrap().shape, [2, 3]);
    assert_eq!(read_f32(&checkpoint, "half").unwrap(), [1.0, -2.0]);
    let positions = checkpoint.tensor("positions").unwrap();
    assert_eq!(positions.dtype, DType::Other(OtherType::Onnx("INT64")));
    let error = read_f32(&checkpoint, "positions").unwrap_err();
    assert_eq!(error.code(), "unsupported-type");
    assert_eq!(
        checkpoint
            .metadata()
            .require_str("onnx.producer_name")
            .unwrap(),
        "test"
    );
}

#[test]
fn a_window_that_ends_within_a_field_is_no_obstacle() {
    // Initialisers of growing length put fields on every side of the windows' ends.
    let tensors: Vec<Vec<u8>> = (0..300u64)
        .map(|n| {
            tensor(
                &format!("w{n}"),
                &[n * 7],
                1,
                &vec![n as u8; n as usize * 28],
            )
        })
        .collect();
    let checkpoint = open(model(&[], &tensors)).unwrap();
    assert_eq!(checkpoint.tensors().count(), 300);
    for (n, info) in checkpoint.tensors().enumerate() {
        assert_eq!(info.shape, [n * 7]);
        let blocks = pollster::block_on(checkpoint.read_blocks(info)).unwrap();
        assert!(blocks.iter().all(|&byte| byte == n as u8));
    }
}

#[test]
fn what_cannot_be_is_refused() {
    let graph = |tensors: &[Vec<u8>]| model(&[], tensors);
    let good = tensor("w", &[2], 1, &[0; 8]);
    let cut = {
        let mut file = graph(std::slice::from_ref(&good));
        file.truncate(file.len() - 3);
        file
    };
    let external = [tensor("w", &[2], 1, &[]), number(14, 1)].concat();
    let cases = [
        (
            "two of a name",
            graph(&[good.clone(), good.clone()]),
            "bad-checkpoint",
            "occurs twice",
        ),
        ("cut", cut, "bad-checkpoint", "ends at byte"),
        (
            "no graph",
            [number(1, 8), bytes(2, b"pytorch")].concat(),
            "bad-checkpoint",
            "no graph",
        ),
        (
            "two graphs",
            [graph(&[]), bytes(7, &[])].concat(),
            "bad-checkpoint",
            "two graphs",
        ),
        (
            "short data",
            graph(&[tensor("w", &[3], 1, &[0; 8])]),
            "bad-checkpoint",
            "cannot take",
        ),
        (
            "overflowing shape",
            graph(&[tensor("w", &[1 << 40, 1 << 40], 1, &[0; 8])]),
            "bad-checkpoint",
            "cannot take",
        ),
        (
            "negative dimension",
            graph(&[tensor("w", &[u64::MAX], 1, &[])]),
            "bad-checkpoint",
            "negative dimension",
        ),
        (
            "17 dimensions",
            graph(&[tensor("w", &[1; 17], 1, &[0; 4])]),
            "bad-checkpoint",
            "more than 16",
        ),
        (
            "no name",
            graph(&[tensor("", &[2], 1, &[0; 8])]),
            "bad-checkpoint",
            "no name",
        ),
        (
            "two data",
            graph(&[[good.clone(), bytes(9, &[0; 8])].concat()]),
            "bad-checkpoint",
            "twice",
        ),
        (
            "segments",
            graph(&[[good.clone(), bytes(3, &[])].concat()]),
            "bad-checkpoint",
            "segments",
        ),
        (
            "external data",
            graph(&[external]),
            "unsupported-format",
            "another file",
        ),
        (
            "not UTF-8",
            graph(&[[number(2, 1), bytes(8, b"\xff")].concat()]),
            "bad-checkpoint",
            "utf-8",
        ),
        (
            "a number for a name",
            graph(&[number(8, 1)]),
            "bad-checkpoint",
            "where bytes is expected",
        ),
        (
            "a length of 2^62",
            [number(1, 8), varint(7 << 3 | 2), varint(1 << 62)].concat(),
            "bad-checkpoint",
            "claims 4611686018427387904 bytes",
        ),
        (
            "a group",
            [number(1, 8), bytes(2, b""), varint(9 << 3 | 3)].concat(),
            "bad-checkpoint",
            "groups",
        ),
        (
            "a varint without end",
            [number(1, 8), bytes(2, b""), vec![0x88, 0xff, 0xff, 0xff]].concat(),
            "bad-checkpoint",
            "at byte",
        ),
        (
            "long name",
            graph(&[tensor(&"n".repeat(70_000), &[0], 1, &[])]),
            "bad-checkpoint",
            "bytes long",
        ),
        (
            "a tensor past its graph",
            [
                number(1, 8),
                bytes(2, b""),
                bytes(7, &[varint(5 << 3 | 2), varint(100)].concat()),
                number(5, 0).repeat(100),
            ]
            .concat(),
            "bad-checkpoint",
            "claims 100 bytes",
        ),
    ];
    for (what, file, code, text) in cases {
        let error = open(file).err().unwrap_or_else(|| panic!("{what} is read"));
        assert_eq!(error.code(), code, "{what}: {error}");
        assert!(error.to_string().contains(text), "{what}: {error}");
    }
}

#[test]
fn names_are_taken_only_where_they_are_plain() {
    let matrix = |name: &str| tensor(name, &[1], 1, &[0; 4]);
    let nodes = [
        node("", &["onnx::A"]),
        node("/two", &["onnx::B", "onnx::C"]),
        node("/one", &["onnx::B"]),
        node("/later", &["onnx::B"]),
    ];
    let file = model(
        &nodes,
        &[matrix("onnx::A"), matrix("onnx::B"), matrix("onnx::C")],
    );
    let checkpoint = open(file).unwrap();
    let names: Vec<&str> = checkpoint.tensors().map(|t| t.name.as_str()).collect();
    assert_eq!(names, ["onnx::A", "one", "onnx::C"]);
    // A name that another tensor has is refused, as every repeated name is.
    let clash = model(
        &[node("/w", &["onnx::A"])],
        &[matrix("onnx::A"), matrix("w")],
    );
    assert_eq!(open(clash).unwrap_err().code(), "bad-checkpoint");
}
