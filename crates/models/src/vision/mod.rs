//! Vision transformers (arXiv 2010.11929) that turn a picture into tokens, one vector and, where
//! the checkpoint has a decoder, a saliency map.
//!
//! The forward pass is open between attention and MLP of each block, where tokens may be pruned or
//! merged: [`Vit::embed`], then [`VitBlock::attend`] and [`VitBlock::feed_forward`] for each of
//! [`Vit::blocks`], then [`Vit::finish`]. [`Vit::forward`] is the plain way through.

mod block;
mod clip;
mod config;
mod judged;
mod layout;
mod position;
mod rule;
mod saliency;
mod vit;
mod weights;

pub use block::{Attended, VitBlock};
pub use config::VitConfig;
pub use judged::Judged;
pub use layout::{Activation, VitLayout};
pub use lexigraft_kernels::ops::{ByAttention, Demands, Matching, Reducing};
pub use position::resize_grid;
pub use rule::Rule;
pub use saliency::SaliencyDecoder;
pub use vit::Vit;
