//! Draws that look at a part of the distribution follow the whole of it.

mod bytes_common;

use bytes_common::{Random, Toy, ToyScorer, brute_force};
use lexigraft_decode::bytes::{
    ByteModel, ByteSet, Context, Estimand, NextByte, Precision, STOP, TokenScorer,
};
use pollster::block_on;

const DRAWS: usize = 3000;

fn model(toy: &Toy, scorer: &ToyScorer, estimand: Estimand) -> ByteModel<ToyScorer> {
    let context = Context::of(vec![toy.tokens.len() as u32]).unwrap();
    ByteModel::new(toy.vocabulary(), scorer.clone(), estimand, context).unwrap()
}

#[test]
fn draws_follow_the_exact_distribution() {
    let mut random = Random(77);
    let (mut checked, mut lazily, mut fully) = (0, 0, 0);
    for seed in 0..40 {
        let toy = Toy::random(&mut random);
        let scorer = ToyScorer::new(seed, toy.size());
        let context = [toy.tokens.len() as u32];
        let symbols: Vec<&Vec<u8>> = toy.tokens.iter().filter(|token| token.len() == 1).collect();
        let text: Vec<u8> = (0..1 + random.below(5))
            .map(|_| symbols[random.below(symbols.len())][0])
            .collect();
        for (estimand, canonical) in [
            (Estimand::Canonical, true),
            (Estimand::All { beam: None }, false),
        ] {
            let masses = brute_force(&toy, &scorer, &context, &text, canonical);
            // Everything, or all but the likeliest slot.
            let likeliest = (0..=STOP)
                .max_by(|a, b| masses[*a].total_cmp(&masses[*b]))
                .unwrap();
            let without = ByteSet::of(likeliest != STOP, |byte| usize::from(byte) != likeliest);
            for allowed in [ByteSet::ALL, without] {
                let kept = |slot: usize| {
                    if allowed.contains(slot) {
                        masses[slot]
                    } else {
                        0.0
                    }
                };
                let total: f64 = (0..=STOP).map(kept).sum();
                if total < 0.02 * masses.iter().sum::<f64>() {
                    continue;
                }
                let mut counts = [0usize; STOP + 1];
                let mut drawn = 0usize;
                for _ in 0..DRAWS {
                    // A model that has evaluated nothing yet.
                    let mut fresh = model(&toy, &scorer, estimand);
                    let mut uniform = || random.unit();
                    let draw = block_on(fresh.draw(&text, &allowed, &mut uniform)).unwrap();
                    let Some((slot, known)) = draw else { continue };
                    assert!(known.log_prob(slot) > f32::NEG_INFINITY);
                    counts[slot] += 1;
                    drawn += 1;
                    lazily += fresh.scorer().cost().evaluations;
                }
                let mut full = model(&toy, &scorer, estimand);
                block_on(full.next_byte(&text, None, Precision::Exact)).unwrap();
                fully += drawn * full.scorer().cost().evaluations;
                // A restart after 64 points is rare where so much is allowed.
                assert!(drawn * 10 > DRAWS * 7, "{drawn}");
                for (slot, count) in counts.iter().enumerate() {
                    let want = kept(slot) / total;
                    let have = *count as f64 / drawn as f64;
                    let sigma = (want * (1.0 - want) / drawn as f64).sqrt();
                    assert!(
                        (have - want).abs() < 5.0 * sigma + 1e-3,
                        "{toy:?}, {estimand:?}, {text:?}, slot {slot}: {have}, not {want}"
                    );
                    checked += usize::from(want > 0.0);
                }
            }
        }
    }
    eprintln!("{checked} probabilities; {lazily} evaluations instead of {fully}");
    assert!(checked > 300);
    assert!(lazily < fully);
}

#[test]
fn where_hardly_anything_is_allowed_the_whole_distribution_is_left_to_the_caller() {
    let toy = Toy::dossier();
    let scorer = ToyScorer::new(1, toy.size());
    let mut byte_model = model(&toy, &scorer, Estimand::Canonical);
    let mut random = Random(3);
    let mut uniform = || random.unit();
    let nothing = ByteSet::of(false, |byte| byte == b'z');
    let drawn = block_on(byte_model.draw(b"ab", &nothing, &mut uniform)).unwrap();
    assert!(drawn.is_none());
    let error = block_on(byte_model.draw(b"z", &ByteSet::ALL, &mut uniform)).unwrap_err();
    assert_eq!(error.code(), "no-tokenization");
}
