//! Byte distributions of small tokenizers and models, against sums over all tokenizations.

mod bytes_common;

use bytes_common::{Random, Toy, ToyScorer, brute_force, normalised};
use lexigraft_decode::bytes::{
    Beam, ByteDistribution, ByteModel, Context, Estimand, NextByte, Precision, STOP,
};
use pollster::block_on;

const ALL: Estimand = Estimand::All { beam: None };

fn model(toy: &Toy, scorer: &ToyScorer, estimand: Estimand) -> ByteModel<ToyScorer> {
    // The first control token stands before the text.
    let context = Context::of(vec![toy.tokens.len() as u32]).unwrap();
    ByteModel::new(toy.vocabulary(), scorer.clone(), estimand, context).unwrap()
}

fn next(model: &mut ByteModel<ToyScorer>, text: &[u8]) -> ByteDistribution {
    block_on(model.next_byte(text, None, Precision::Exact)).unwrap()
}

fn prob(distribution: &ByteDistribution, slot: usize) -> f64 {
    f64::from(distribution.log_prob(slot)).exp()
}

fn is_close(have: f32, want: f64) -> bool {
    let have = f64::from(have);
    if want == f64::NEG_INFINITY {
        return have == want;
    }
    (have - want).abs() < 1e-5 * want.abs().max(1.0)
}

#[test]
fn the_toy_vector_holds_to_six_digits() {
    let toy = Toy::dossier();
    let scorer = ToyScorer::fixed(&[0.5, 0.2, 0.2, 0.1]);
    let mut all = model(&toy, &scorer, ALL);
    let after_a = next(&mut all, b"a");
    let expect = |distribution: &ByteDistribution, want: [f64; 3]| {
        let slots = [usize::from(b'a'), usize::from(b'b'), STOP];
        for (slot, want) in slots.into_iter().zip(want) {
            let have = prob(distribution, slot);
            assert!((have - want).abs() < 5e-7, "{slot}: {have} {want}");
        }
    };
    expect(&after_a, [0.5, 0.428_571_43, 0.071_428_57]);
    let start = next(&mut all, b"");
    assert!((prob(&start, usize::from(b'a')) - 0.7).abs() < 5e-7);
    let score = block_on(all.score(b"", b"abab")).unwrap();
    assert!((score.log_prob.exp() - 0.09).abs() < 5e-7);
    assert_eq!(score.per_byte.len(), 4);

    let mut canonical = model(&toy, &scorer, Estimand::Canonical);
    expect(
        &next(&mut canonical, b"a"),
        [0.583_333_33, 0.333_333_33, 0.083_333_33],
    );
}

/// Tokenizers, each with a model of its own and a few texts.
fn cases(count: usize, mut check: impl FnMut(usize, &Toy, &ToyScorer, &[u8])) {
    let mut random = Random(2024);
    for case in 0..count {
        let toy = Toy::random(&mut random);
        assert!(toy.tokens.len() <= 4 + 8);
        let scorer = ToyScorer::new(random.next(), toy.size());
        for _ in 0..3 {
            let symbols: Vec<u8> = toy
                .tokens
                .iter()
                .filter(|t| t.len() == 1)
                .map(|t| t[0])
                .collect();
            let len = random.below(9);
            let text: Vec<u8> = (0..len)
                .map(|_| symbols[random.below(symbols.len())])
                .collect();
            check(case, &toy, &scorer, &text);
        }
    }
}

#[test]
fn both_estimands_equal_brute_force_over_2000_tokenizers() {
    let (mut checked, mut worst_sum, mut worst) = (0, 0f64, 0f64);
    let mut differ = 0;
    cases(2000, |case, toy, scorer, text| {
        let context = [toy.tokens.len() as u32];
        let mut results = Vec::new();
        for estimand in [ALL, Estimand::Canonical] {
            let canonical = estimand == Estimand::Canonical;
            let have = next(&mut model(toy, scorer, estimand), text);
            let want = normalised(&brute_force(toy, scorer, &context, text, canonical));
            let sum: f64 = (0..=STOP).map(|slot| prob(&have, slot)).sum();
            worst_sum = worst_sum.max((sum - 1.0).abs());
            for (have, want) in have.log_probs.iter().zip(&want) {
                assert!(
                    is_close(*have, *want),
                    "case {case} {estimand:?} {text:?}: {have} {want}\n{toy:?}"
                );
                if want.is_finite() {
                    worst = worst.max((f64::from(*have) - want).abs());
                }
            }
            assert_eq!(have.unknown, 0.0);
            results.push(have);
            checked += 1;
        }
        differ += usize::from(results[0] != results[1]);
    });
    eprintln!(
        "{checked} distributions, {differ} pairs differ; sum - 1 at most {worst_sum:.1e}, log-probability off by at most {worst:.1e}"
    );
    assert!(checked >= 12_000 && differ > checked / 8);
    assert!(worst_sum < 1e-5);
}

#[test]
fn the_chain_of_bytes_is_the_probability_of_the_text() {
    // P(x) = sum_b P(xb) + P(x, end), and the sum over all tokenizations is at least the one
    // tokenization that the tokenizer writes.
    let mut strictly = 0;
    cases(300, |case, toy, scorer, text| {
        let context = [toy.tokens.len() as u32];
        let mut all = model(toy, scorer, ALL);
        let score = block_on(all.score(b"", text)).unwrap();
        let masses = brute_force(toy, scorer, &context, text, false);
        let total: f64 = masses.iter().sum();
        assert!(
            (score.log_prob - total.ln()).abs() < 1e-4,
            "case {case}: {} {}",
            score.log_prob,
            total.ln()
        );
        for byte in toy.tokens.iter().filter(|t| t.len() == 1).map(|t| t[0]) {
            let longer = [text, &[byte]].concat();
            let longer: f64 = brute_force(toy, scorer, &context, &longer, false)
                .iter()
                .sum();
            assert!((longer - masses[usize::from(byte)]).abs() < 1e-12 + 1e-9 * longer);
        }
        let mut path: Vec<u32> = context.to_vec();
        let mut canonical = 0.0;
        let log_softmax = |path: &[u32]| {
            let logits = scorer.logits_after(path);
            let total: f64 = logits.iter().map(|l| f64::from(*l).exp()).sum();
            logits
                .iter()
                .map(|l| f64::from(*l) - total.ln())
                .collect::<Vec<_>>()
        };
        for id in toy.encode(text) {
            canonical += log_softmax(&path)[id];
            path.push(id as u32);
        }
        assert!(score.log_prob >= canonical - 1e-5, "case {case}");
        strictly += usize::from(score.log_prob > canonical + 1e-3);
    });
    assert!(strictly > 100, "{strictly}");
}

#[test]
fn a_beam_of_everything_is_exact_and_a_narrow_one_is_a_distribution() {
    let mut off = [0.0f64; 2];
    let mut checked = 0;
    cases(400, |case, toy, scorer, text| {
        let context = [toy.tokens.len() as u32];
        let beam = |width, threshold| Estimand::All {
            beam: Some(Beam { width, threshold }),
        };
        let want = normalised(&brute_force(toy, scorer, &context, text, false));
        let wide = next(&mut model(toy, scorer, beam(10_000, 0.0)), text);
        for (have, want) in wide.log_probs.iter().zip(&want) {
            assert!(
                is_close(*have, *want),
                "case {case} {text:?}: {have} {want}"
            );
        }
        for (width, off) in [1, 4].into_iter().zip(&mut off) {
            let narrow = next(&mut model(toy, scorer, beam(width, 0.0)), text);
            let sum: f64 = (0..=STOP).map(|slot| prob(&narrow, slot)).sum();
            assert!((sum - 1.0).abs() < 1e-5);
            *off += lexigraft_decode::bytes::jensen_shannon(&narrow, &wide);
        }
        checked += 1;
    });
    let [one, four] = off.map(|off| off / f64::from(checked));
    eprintln!("mean Jensen-Shannon divergence over {checked}: K=1 {one:.2e}, K=4 {four:.2e} nats");
    assert!(four < one && one > 0.0);
}

#[test]
fn reading_on_is_reading_anew_and_the_trunk_is_canonical() {
    let mut moved = 0;
    cases(300, |case, toy, scorer, text| {
        for estimand in [ALL, Estimand::Canonical] {
            let mut on = model(toy, scorer, estimand);
            for end in 0..=text.len() {
                let text = &text[..end];
                let have = next(&mut on, text);
                let anew = next(&mut model(toy, scorer, estimand), text);
                for (a, b) in have.log_probs.iter().zip(&anew.log_probs) {
                    assert!(
                        is_close(*a, f64::from(*b)),
                        "case {case} {text:?} {estimand:?}"
                    );
                }
                if estimand == Estimand::Canonical {
                    let ids: Vec<u32> = toy.encode(text).iter().map(|id| *id as u32).collect();
                    assert!(ids.starts_with(on.trunk()), "case {case} {text:?}");
                    moved += on.trunk().len();
                }
            }
            // Going back to an earlier text starts over.
            let first = next(&mut on, &text[..text.len() / 2]);
            let anew = next(&mut model(toy, scorer, estimand), &text[..text.len() / 2]);
            assert_eq!(first, anew);
        }
    });
    assert!(moved > 1000, "{moved}");
}

#[test]
fn what_is_left_aside_is_bounded_and_cannot_change_the_likeliest() {
    let (mut saved, mut full) = (0, 0);
    cases(400, |case, toy, scorer, text| {
        for estimand in [ALL, Estimand::Canonical] {
            let exact = next(&mut model(toy, scorer, estimand), text);
            let mut lazy = model(toy, scorer, estimand);
            let likeliest = block_on(lazy.next_byte(text, None, Precision::Likeliest)).unwrap();
            let top = likeliest.likeliest();
            assert!(
                prob(&exact, top) > prob(&exact, exact.likeliest()) - 1e-6,
                "case {case} {text:?} {estimand:?}"
            );
            saved += lazy.cost().evaluations;
            let mut rough = model(toy, scorer, estimand);
            let near = block_on(rough.next_byte(text, None, Precision::Within(0.1))).unwrap();
            assert!(near.unknown <= 0.1);
            let distance: f64 = (0..=STOP)
                .map(|slot| (prob(&near, slot) - prob(&exact, slot)).abs())
                .sum();
            assert!(
                distance / 2.0 <= near.unknown + 1e-5,
                "case {case}: {distance}"
            );
            let mut all = model(toy, scorer, estimand);
            next(&mut all, text);
            full += all.cost().evaluations;
        }
    });
    eprintln!("evaluations for the likeliest byte: {saved} of {full}");
    assert!(saved < full);
}
