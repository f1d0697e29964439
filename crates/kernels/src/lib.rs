//! Products of activations with weight matrices that stay quantised.
//!
//! [`cpu`] holds the processor's kernels: a checkpoint's blocks are regrouped
//! once, when they are loaded, and multiplied as they are. There is no tensor
//! library here; slices go in and out.

#![warn(missing_docs)]
#![deny(unsafe_code, unsafe_op_in_unsafe_fn)]

pub mod cpu;
mod error;

pub use error::KernelError;
