//! One step of AdamW (arXiv 1711.05101) from gradients of several threads.

use burn::optim::{AdamW, AdamWConfig, AdamWState, AdaptiveMomentumState, Optimizer};
use burn::tensor::Tensor;

/// AdamW over a list of matrices.
pub struct Optimiser {
    adam: AdamW,
    states: Vec<Option<AdamWState<2>>>,
    /// Gradients longer than this are shortened to it.
    clip: f64,
}

impl Optimiser {
    pub fn new(parameters: usize, weight_decay: f32) -> Self {
        let adam = AdamWConfig::new()
            .with_beta_2(0.98)
            .with_epsilon(1e-8)
            .with_weight_decay(weight_decay)
            .build();
        Self {
            adam,
            states: vec![None; parameters],
            clip: 1.0,
        }
    }

    /// Steps taken and the two moments of the first tensor, once there was a step.
    pub fn moments(&self) -> Option<(usize, [Tensor<2>; 2])> {
        let momentum = &self.states.first()?.as_ref()?.momentum;
        Some((
            momentum.time,
            [momentum.moment_1.clone(), momentum.moment_2.clone()],
        ))
    }

    /// Puts back what [`moments`](Self::moments) gave.
    pub fn restore(&mut self, steps: usize, [first, second]: [Tensor<2>; 2]) {
        if let Some(state) = self.states.first_mut() {
            let momentum = AdaptiveMomentumState::new(steps, first, second);
            *state = Some(AdamWState::new(momentum));
        }
    }

    /// Moves the weights; returns the length of the gradient before clipping.
    pub fn step(
        &mut self,
        params: &mut Vec<Tensor<2>>,
        gradients: Vec<Tensor<2>>,
        rate: f64,
    ) -> f64 {
        let squares: f64 = gradients
            .iter()
            .map(|g| f64::from((g.clone() * g.clone()).sum().into_scalar::<f32>()))
            .sum();
        let norm = squares.sqrt();
        let scale = if norm > self.clip {
            self.clip / norm
        } else {
            1.0
        };
        let work: Vec<_> = params
            .drain(..)
            .zip(gradients)
            .zip(self.states.drain(..))
            .collect();
        let adam = &self.adam;
        let update = |((param, gradient), state): ((Tensor<2>, Tensor<2>), _)| {
            adam.step(rate, param, gradient.mul_scalar(scale), state)
        };
        // Two halves of about equal size: every other tensor.
        let (mut even, mut odd) = (Vec::new(), Vec::new());
        for (index, item) in work.into_iter().enumerate() {
            if index % 2 == 0 {
                even.push(item);
            } else {
                odd.push(item);
            }
        }
        let (even, odd) = std::thread::scope(|scope| {
            let other = scope.spawn(|| odd.into_iter().map(update).collect::<Vec<_>>());
            let even = even.into_iter().map(update).collect::<Vec<_>>();
            (even, other.join().unwrap_or_default())
        });
        let (mut even, mut odd) = (even.into_iter(), odd.into_iter());
        loop {
            let Some((param, state)) = even.next() else {
                break;
            };
            params.push(param);
            self.states.push(state);
            if let Some((param, state)) = odd.next() {
                params.push(param);
                self.states.push(state);
            }
        }
        norm
    }
}

/// Warm-up, then a half cosine down to a twentieth.
pub fn rate(peak: f64, step: usize, warm_up: usize, total: usize) -> f64 {
    if step < warm_up {
        return peak * (step + 1) as f64 / warm_up as f64;
    }
    let done = (step - warm_up) as f64 / (total.saturating_sub(warm_up)).max(1) as f64;
    let cosine = 0.5 * (1.0 + (std::f64::consts::PI * done.min(1.0)).cos());
    peak * (0.05 + 0.95 * cosine)
}
