//! Files, options and prompts that cannot work: each has its own code and a message that helps.

mod encoders;
mod models;
mod requests;
mod support;

use support::{CONFIG, TOKENIZER, VOCAB, load_llama};

#[test]
fn the_small_model_itself_loads_and_runs() {
    let model = load_llama(CONFIG, Some(TOKENIZER)).expect("loads");
    let logits = pollster::block_on(model.logits(&[0, 1])).expect("runs");
    assert_eq!(logits.len(), VOCAB);
    assert!(logits.iter().all(|logit| logit.is_finite()));
}
