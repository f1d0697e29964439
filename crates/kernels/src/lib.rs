//! The kernels of transformers whose weights stay quantised.
//!
//! [`cpu`] holds the processor's: slices go in and out, and there is no tensor library. `ops`
//! offers them as operations on Burn tensors, one operation a file, each with a reference in plain
//! Burn that serves every other device; it needs the feature `cpu` or `gpu`. `gpu` holds the WGSL
//! kernels of Burn's wgpu device.

#![warn(missing_docs)]
#![deny(unsafe_code, unsafe_op_in_unsafe_fn)]

pub mod cpu;
mod error;
#[cfg(feature = "gpu")]
pub mod gpu;
#[cfg(any(feature = "cpu", feature = "gpu"))]
pub mod ops;

pub use error::KernelError;
