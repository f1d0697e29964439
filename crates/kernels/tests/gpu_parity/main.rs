//! The WGSL kernels against their twins in double precision, on the native wgpu device.
#![cfg(feature = "gpu")]

mod attention;
mod branches;
#[path = "../common/mod.rs"]
mod common;
mod elementwise;
mod encoder;
mod keeping;
mod merging;
mod products;
mod sample;
mod support;

use lexigraft_checkpoint::DType;
use lexigraft_kernels::gpu::{self, Around, Checked, GpuMatrix};

use common::TYPES;
use support::{device, tensor};

#[test]
fn every_self_test_passes_and_runs_once() {
    let what = [
        Checked::Decoder,
        Checked::Encoder,
        Checked::Segments,
        Checked::Merging,
        Checked::Keeping,
        Checked::Upsample,
        Checked::QuickGelu,
    ];
    let what: Vec<Checked> = what.into_iter().chain(TYPES.map(Checked::Format)).collect();
    let run = || {
        for &what in &what {
            pollster::block_on(gpu::self_test(&device(), what)).unwrap();
        }
    };
    let before = gpu::counters().dispatches;
    run();
    assert!(gpu::counters().dispatches > before + 10);
    run();
}

#[test]
fn operands_that_do_not_fit_are_errors() {
    let blocks = vec![0; 34 * 2];
    let matrix = GpuMatrix::from_blocks(DType::Q8_0, 2, 32, &blocks, &device()).unwrap();
    let around = Around::default();
    let x = tensor(&[0.0; 64], [1, 64]);
    assert_eq!(
        gpu::project(x, &matrix, around).unwrap_err().code(),
        "invalid-argument"
    );
    let infinite = [0u8, 0x7c].into_iter().chain([0; 32]).collect::<Vec<_>>();
    let error = GpuMatrix::from_blocks(DType::Q8_0, 1, 32, &infinite, &device()).unwrap_err();
    assert_eq!(error.code(), "bad-checkpoint");
    for (rows, cols) in [(0, 32), (1, 0), (1, 33)] {
        assert!(GpuMatrix::from_blocks(DType::Q8_0, rows, cols, &blocks, &device()).is_err());
    }
    let odd = tensor(&[0.0; 3], [1, 3]);
    assert!(gpu::swiglu(odd).is_err());
}
