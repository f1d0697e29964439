//! Zero rows: the floor of every comparison.

use super::{Context, Initialise, Rows, RowsFuture, done};

/// All new rows are zero.
#[derive(Debug)]
pub struct Zero<'c> {
    context: Context<'c>,
}

impl<'c> Zero<'c> {
    /// Between these vocabularies.
    pub fn new(context: Context<'c>) -> Self {
        Self { context }
    }
}

impl Initialise for Zero<'_> {
    fn name(&self) -> &'static str {
        "zero"
    }

    fn rows<'a>(&'a mut self, ids: &'a [u32]) -> RowsFuture<'a> {
        let source = self.context.source;
        let input = vec![0.0; ids.len() * source.hidden()];
        done(Ok(Rows {
            output: (!source.is_tied()).then(|| input.clone()),
            input,
            bias: None,
        }))
    }
}
