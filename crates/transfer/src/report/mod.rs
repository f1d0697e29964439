//! What a tokenizer is like: its vocabulary, its cost in several languages, its consistency.

mod anatomy;
mod consistency;
mod cost;
mod stochastok;

pub use anatomy::{Anatomy, anatomy};
pub use consistency::{Consistency, consistency};
pub use cost::{Cost, cost};
pub use stochastok::{Splits, stochastok};
