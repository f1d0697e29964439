//! Drawing a byte without the whole distribution.
//!
//! A node of the tree that is not evaluated has a bound of its mass. A point is drawn on the line
//! of all known masses and all bounds. Where it falls on a known mass, that byte is drawn; where it
//! falls on a bound, that node is evaluated, and its own masses and the bounds below it, which are no
//! more together, take the bound's place: the point falls on one of them, or on nothing, and then
//! another point is drawn. Each byte is drawn with exactly its probability
//! (rejection, with proposals that grow tighter), and a node is evaluated about as often as it
//! matters.

use super::distribution::{ByteDistribution, Masses, SLOTS};
use super::model::ByteModel;
use super::next_byte::ByteSet;
use super::scorer::TokenScorer;
use super::tree::Open;
use crate::DecodeError;

/// Points to draw before the whole distribution is cheaper: almost nothing may come then.
const MOST_POINTS: usize = 64;

impl<S: TokenScorer> ByteModel<S> {
    /// See [`NextByte::draw`](super::NextByte::draw).
    pub(super) async fn draw_slot(
        &mut self,
        prefix: &[u8],
        allowed: &ByteSet,
        uniform: &mut dyn FnMut() -> f64,
    ) -> Result<Option<(usize, ByteDistribution)>, DecodeError> {
        self.read(prefix).await?;
        for _ in 0..MOST_POINTS {
            let masses = self.tree().masses();
            let point = uniform() * (masses.total() + masses.unknown);
            let open = self.tree().open();
            let slot = self.slot_at(point, masses, open).await?;
            if let Some(slot) = slot.filter(|slot| allowed.contains(*slot)) {
                let known = ByteDistribution::from_masses(&self.tree().masses());
                return Ok(known.map(|known| (slot, known)));
            }
        }
        Ok(None)
    }

    /// The slot on which a point falls; `None` where a bound was more than there is.
    async fn slot_at(
        &mut self,
        mut point: f64,
        mut masses: Masses,
        mut open: Vec<Open>,
    ) -> Result<Option<usize>, DecodeError> {
        let mut falls_on = |mass: f64| {
            let falls = point < mass;
            point -= if falls { 0.0 } else { mass };
            falls
        };
        loop {
            let mut slots = masses.slots.iter().take(SLOTS);
            if let Some(slot) = slots.position(|mass| falls_on(*mass)) {
                return Ok(Some(slot));
            }
            let Some(found) = open.iter().find(|open| falls_on(open.bound)) else {
                return Ok(None);
            };
            let node = found.node;
            self.evaluate(&[node]).await?;
            (masses, open) = self.tree().below(node);
        }
    }
}
