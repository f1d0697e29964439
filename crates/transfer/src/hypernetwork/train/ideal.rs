//! What no rows are likely to undercut: the frozen model's own loss.

use burn::tensor::{Device, Int, Tensor, TensorData};

use super::TrainError;
use super::context::{Window, values, widen};
use super::frozen::FrozenModel;
use super::target::Target;
use crate::hypernetwork::pieces::PieceVocabulary;

/// What the frozen model itself loses, with its own tokens, over the tokens of `target` that begin and
/// end where source tokens do: the mean in nats a token of `target`, which no rows are likely to
/// undercut ([`Losses::whole`](super::context::Losses) is theirs).
pub fn ideal(
    model: &FrozenModel,
    vocabulary: &PieceVocabulary,
    target: &Target,
    windows: &[&Window],
    head: &Tensor<2>,
    device: &Device,
) -> Result<f64, TrainError> {
    let hidden = model.sizes.hidden;
    let (mut sum, mut count) = (0f64, 0f64);
    for window in windows {
        let places = window.ends.len();
        let states: Vec<f32> = widen(&window.last).collect();
        let states = Tensor::<2>::from_data(TensorData::new(states, [places, hidden]), device);
        let logits = states.matmul(head.clone());
        let highest = logits.clone().max_dim(1);
        let total = (logits.clone() - highest.clone()).exp().sum_dim(1).log() + highest;
        // The token after each place, none after the last one.
        let text = window.text.as_bytes();
        let next: Vec<i32> = (0..places)
            .map(|at| {
                let end = window
                    .ends
                    .get(at + 1)
                    .map_or(text.len(), |&end| end as usize);
                let id = vocabulary.id(&text[window.ends[at] as usize..end]);
                id.unwrap_or(0) as i32
            })
            .collect();
        let next = Tensor::<2, Int>::from_data(TensorData::new(next, [places, 1]), device);
        let losses = values(total - logits.gather(1, next));
        let (mut end, mut at) = (0u32, 0usize);
        let mut before: Option<usize> = None;
        for id in target.tokenizer.encode(&window.text, false)? {
            end += target.tokenizer.token_bytes(id).map_or(0, <[u8]>::len) as u32;
            while window.ends.get(at).is_some_and(|&e| e < end) {
                at += 1;
            }
            let now = (window.ends.get(at) == Some(&end)).then_some(at);
            if let (Some(before), Some(now)) = (before, now) {
                sum += losses[before..now]
                    .iter()
                    .map(|x| f64::from(*x))
                    .sum::<f64>();
                count += 1.0;
            }
            before = now;
        }
    }
    Ok(sum / count.max(1.0))
}
