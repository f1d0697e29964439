//! The head and the memory as one maker of rows, and the gradients of both.

use std::cell::RefCell;

use burn::tensor::{Device, Tensor, TensorData};

use super::context::{Predictor, values};
use super::head::FeatureTable;
use super::memory::Memory;
use super::network::{Network, Rows};
use super::sides::Side;

/// Features of tokens, and the rows of the memory that they have.
pub struct Known {
    pub table: FeatureTable,
    /// By the number in the table.
    pub slots: Vec<Option<usize>>,
}

/// Head and memory, over a table of features.
pub struct Recalled<'a> {
    known: &'a Known,
    network: &'a Network,
    memory: &'a Memory,
    side: &'a Side<'a>,
    head: Tensor<2>,
    device: &'a Device,
    /// What the memory gave, with the rows that it came from; nothing outside a graph.
    leaf: RefCell<Option<(Tensor<2>, Vec<Option<usize>>)>>,
    is_tracked: bool,
}

/// Those of the head, and of rows of the memory with their numbers.
pub struct Gradients {
    pub head: Option<Tensor<2>>,
    pub slots: Vec<Option<usize>>,
    pub rows: Vec<f32>,
}

impl<'a> Recalled<'a> {
    /// Without gradients, `network` on `device`.
    pub fn new(
        known: &'a Known,
        network: &'a Network,
        memory: &'a Memory,
        side: &'a Side<'a>,
        head: Tensor<2>,
        device: &'a Device,
    ) -> Self {
        Self {
            known,
            network,
            memory,
            side,
            head,
            device,
            leaf: RefCell::default(),
            is_tracked: false,
        }
    }

    /// In a graph that begins at head and memory; `network` and `device` are on the tracked side.
    pub fn tracked(self) -> Self {
        Self {
            head: self.head.autodiff().require_grad(),
            is_tracked: true,
            ..self
        }
    }

    /// The head in the graph.
    pub fn head(&self) -> &Tensor<2> {
        &self.head
    }

    pub fn gradients(self, loss: Tensor<1>) -> Gradients {
        let mut found = loss.backward();
        let head = self.head.grad_remove(&mut found);
        let (slots, rows) = match self.leaf.into_inner() {
            Some((leaf, slots)) => (slots, leaf.grad_remove(&mut found)),
            None => (Vec::new(), None),
        };
        Gradients {
            head,
            slots,
            rows: rows.map(values).unwrap_or_default(),
        }
    }
}

impl Predictor for Recalled<'_> {
    fn rows(&self, ids: &[u32]) -> Rows {
        let keys: Vec<u32> = ids.iter().map(|id| self.side.places[id]).collect();
        let slots = keys.iter().map(|&key| self.known.slots[key as usize]);
        let slots: Vec<Option<usize>> = slots.collect();
        let columns = self.memory.columns;
        let mut rows = vec![0f32; ids.len() * columns];
        for (slot, row) in slots.iter().zip(rows.chunks_exact_mut(columns)) {
            if let Some(slot) = slot {
                row.copy_from_slice(self.memory.row(*slot));
            }
        }
        let rows = TensorData::new(rows, [ids.len(), columns]);
        let mut leaf = Tensor::<2>::from_data(rows, self.device);
        if self.is_tracked {
            leaf = leaf.require_grad();
            *self.leaf.borrow_mut() = Some((leaf.clone(), slots));
        }
        let table = &self.known.table;
        table.rows(self.network, &self.head, &keys, Some(leaf), self.device)
    }
}
