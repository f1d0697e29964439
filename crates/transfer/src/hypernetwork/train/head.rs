//! Training of the head alone, over features that are computed once.
//!
//! The blocks stay as the frozen model has them, and the rest of a step costs a fifteenth.

use std::collections::{BTreeMap, HashMap};

use burn::tensor::{Device, Tensor, TensorData};

use super::block::Frame;
use super::context::{Predictor, values};
use super::frozen::FrozenModel;
use super::in_two_threads;
use super::network::{Network, Rows, features, gather};

/// Features, mean and first piece of some tokens.
pub struct FeatureTable {
    hidden: usize,
    place: HashMap<u32, usize>,
    features: Vec<f32>,
    mean: Vec<f32>,
    first: Vec<f32>,
}

/// Tokens that one pass sees.
const BATCH: usize = 256;

impl FeatureTable {
    /// `tokens` by any number that the caller chooses, with their pieces.
    pub fn new(
        network: &Network,
        model: &FrozenModel,
        frames: &[Frame],
        tokens: &[(u32, &[u32])],
        device: &Device,
    ) -> Self {
        let hidden = model.sizes.hidden;
        let mut groups: BTreeMap<usize, Vec<(u32, &[u32])>> = BTreeMap::new();
        for &(id, pieces) in tokens {
            groups.entry(pieces.len()).or_default().push((id, pieces));
        }
        let batches: Vec<_> = groups
            .values()
            .flat_map(|group| group.chunks(BATCH))
            .collect();
        let run = |parity: usize| {
            let mut made = Vec::new();
            for batch in batches.iter().skip(parity).step_by(2) {
                let pieces: Vec<&[u32]> = batch.iter().map(|(_, pieces)| *pieces).collect();
                let x = gather(&model.rows, hidden, &pieces, device);
                let frame = &frames[pieces.first().map_or(1, |p| p.len()) - 1];
                let mean = x.clone().mean_dim(1).reshape([batch.len(), hidden]);
                let first = x.clone().narrow(1, 0, 1).reshape([batch.len(), hidden]);
                let ids: Vec<u32> = batch.iter().map(|(id, _)| *id).collect();
                let features = values(network.features(x, frame));
                made.push((ids, features, values(mean), values(first)));
            }
            made
        };
        let (even, odd) = in_two_threads(|| run(0), || run(1));
        let mut table = Self {
            hidden,
            place: HashMap::new(),
            features: Vec::new(),
            mean: Vec::new(),
            first: Vec::new(),
        };
        for (ids, features, mean, first) in even.into_iter().chain(odd) {
            for id in ids {
                table.place.insert(id, table.place.len());
            }
            table.features.extend(features);
            table.mean.extend(mean);
            table.first.extend(first);
        }
        table
    }

    pub fn len(&self) -> usize {
        self.place.len()
    }

    pub fn is_empty(&self) -> bool {
        self.place.is_empty()
    }

    fn take(&self, of: &[f32], columns: usize, ids: &[u32], device: &Device) -> Tensor<2> {
        let mut taken = Vec::with_capacity(ids.len() * columns);
        for id in ids {
            let at = self.place[id] * columns;
            taken.extend_from_slice(&of[at..at + columns]);
        }
        Tensor::from_data(TensorData::new(taken, [ids.len(), columns]), device)
    }

    /// Rows of `ids` with `head`, and what is to be added to what it says.
    pub fn rows(
        &self,
        network: &Network,
        head: &Tensor<2>,
        ids: &[u32],
        added: Option<Tensor<2>>,
        device: &Device,
    ) -> Rows {
        let features = self.take(&self.features, features(self.hidden), ids, device);
        let mean = self.take(&self.mean, self.hidden, ids, device);
        let first = self.take(&self.first, self.hidden, ids, device);
        network.rows(features, mean, first, head, added)
    }
}

/// A head in a graph, over a table.
pub struct HeadPredictor<'a> {
    pub table: &'a FeatureTable,
    /// The number in the table of each token.
    pub places: &'a HashMap<u32, u32>,
    /// On the tracked device.
    pub network: &'a Network,
    pub head: Tensor<2>,
    pub device: &'a Device,
}

impl Predictor for HeadPredictor<'_> {
    fn rows(&self, ids: &[u32]) -> Rows {
        let ids: Vec<u32> = ids.iter().map(|id| self.places[id]).collect();
        self.table
            .rows(self.network, &self.head, &ids, None, self.device)
    }
}
