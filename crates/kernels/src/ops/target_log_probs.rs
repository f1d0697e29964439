use burn::tensor::Tensor;
#[cfg(feature = "reference")]
use burn::tensor::{Int, TensorData, activation};

/// Natural log-probability of one id a row, gathered from the log-softmax of the logits:
/// `[tokens, vocab] -> [tokens]`.
///
/// `targets` holds an id below `vocab` for each row. Only the result leaves the device.
pub fn target_log_probs(logits: Tensor<2>, targets: &[u32]) -> Tensor<1> {
    #[cfg(feature = "gpu")]
    if crate::gpu::is_here(&logits)
        && let Ok(out) = crate::gpu::target_log_probs(logits.clone(), targets)
    {
        return out;
    }
    #[cfg(feature = "cpu")]
    let logits = {
        let [tokens, vocab] = logits.dims();
        match super::host::take(logits) {
            Ok(logits) => {
                let rows = logits.values().chunks_exact(vocab.max(1));
                let out = rows.zip(targets).map(|(row, &target)| {
                    let logit = row.get(target as usize).copied().unwrap_or(f32::NAN);
                    (f64::from(logit) - crate::cpu::log_sum_exp(row)) as f32
                });
                return super::host::tensor(out.collect(), [tokens]);
            }
            Err(logits) => logits,
        }
    };
    otherwise!(reference(logits, targets))
}

#[cfg(feature = "reference")]
pub(super) fn reference(logits: Tensor<2>, targets: &[u32]) -> Tensor<1> {
    let tokens = targets.len();
    let targets: Vec<i32> = targets.iter().map(|&id| id as i32).collect();
    let targets = TensorData::new(targets, [tokens, 1]);
    let targets = Tensor::<2, Int>::from_data(targets, &logits.device());
    let log_probs = activation::log_softmax(logits, 1);
    log_probs.gather(1, targets).reshape([tokens])
}
