//! Ensembles, constraints, generation and baselines, with small models.

mod bytes_common;

use bytes_common::{Random, Toy, ToyScorer, brute_force};
use lexigraft_decode::bytes::{
    Beam, ByteConstraint, ByteDistribution, ByteEnd, ByteGeneration, ByteGenerationOptions,
    ByteModel, Combination, Context, Ensemble, Estimand, NextByte, Precision, RegexConstraint,
    STOP, TokenGeneration, TokenMethod, combine, fill_in_the_middle, token_mask,
};
use lexigraft_decode::{DecodeError, SamplerOptions};
use lexigraft_text::ByteVocabulary;
use pollster::block_on;

const ALL: Estimand = Estimand::All { beam: None };

fn model(toy: &Toy, seed: u64, estimand: Estimand) -> ByteModel<ToyScorer> {
    let context = Context::of(vec![toy.tokens.len() as u32]).unwrap();
    let scorer = ToyScorer::new(seed, toy.size());
    ByteModel::new(toy.vocabulary(), scorer, estimand, context).unwrap()
}

fn exact(model: &mut dyn NextByte, text: &[u8]) -> ByteDistribution {
    block_on(model.next_byte(text, None, Precision::Exact)).unwrap()
}

fn probs(distribution: &ByteDistribution) -> Vec<f64> {
    (distribution.log_probs.iter())
        .map(|p| f64::from(*p).exp())
        .collect()
}

/// Two tokenizers over a and b.
fn pair() -> (Toy, Toy) {
    let first = Toy::dossier();
    let second = Toy {
        tokens: [&b"a"[..], b"b", b"ba", b"bab"]
            .map(<[u8]>::to_vec)
            .to_vec(),
        merges: vec![[1, 0, 2], [2, 1, 3]],
        controls: 1,
    };
    (first, second)
}

#[test]
fn an_ensemble_of_different_tokenizers_is_what_its_formula_says() {
    let (first, second) = pair();
    for text in [&b""[..], b"a", b"ab", b"bab", b"abab"] {
        let of = |toy: &Toy, seed| probs(&exact(&mut model(toy, seed, ALL), text));
        let (a, b, c) = (of(&first, 1), of(&second, 2), of(&second, 3));
        let together = |combination, models: Vec<Box<dyn NextByte>>| {
            let mut ensemble = Ensemble::new(models, combination).unwrap();
            probs(&exact(&mut ensemble, text))
        };
        let boxed = |toy: &Toy, seed| Box::new(model(toy, seed, ALL)) as Box<dyn NextByte>;
        let normalise = |weights: Vec<f64>| -> Vec<f64> {
            let total: f64 = weights.iter().sum();
            weights.iter().map(|w| w / total).collect()
        };
        let check = |have: Vec<f64>, want: Vec<f64>| {
            for (have, want) in have.iter().zip(&want) {
                assert!((have - want).abs() < 1e-6, "{text:?}: {have} {want}");
            }
        };
        let two = || vec![boxed(&first, 1), boxed(&second, 2)];
        let mean = a.iter().zip(&b).map(|(a, b)| (a + b) / 2.0).collect();
        check(together(Combination::Mixture, two()), normalise(mean));
        let product = a.iter().zip(&b).map(|(a, b)| (a * b).sqrt()).collect();
        check(together(Combination::Product, two()), normalise(product));
        let three = || vec![boxed(&first, 1), boxed(&second, 2), boxed(&second, 3)];
        for alpha in [0.0, 0.5, -1.0, 2.0] {
            let tuned = (0..257).map(|slot| match a[slot] {
                0.0 => 0.0,
                base => base * (b[slot] / c[slot]).powf(alpha),
            });
            check(
                together(Combination::Proxy { alpha }, three()),
                normalise(tuned.collect()),
            );
        }
        check(
            together(Combination::Proxy { alpha: 0.0 }, three()),
            a.clone(),
        );
        for combination in [Combination::Mixture, Combination::Product] {
            check(
                together(combination, vec![boxed(&first, 1), boxed(&first, 1)]),
                a.clone(),
            );
        }
    }
}

#[test]
fn ensembles_that_make_no_sense_are_refused() {
    let (first, _) = pair();
    let boxed = || Box::new(model(&first, 1, ALL)) as Box<dyn NextByte>;
    let code = |models, combination| Ensemble::new(models, combination).err().unwrap().code();
    assert_eq!(code(Vec::new(), Combination::Mixture), "invalid-argument");
    let proxy = |alpha| Combination::Proxy { alpha };
    assert_eq!(code(vec![boxed(), boxed()], proxy(1.0)), "invalid-argument");
    assert_eq!(
        code(vec![boxed(), boxed(), boxed()], proxy(f64::NAN)),
        "invalid-argument"
    );
    let only = |slot: usize| {
        let mut scores = vec![f64::NEG_INFINITY; 257];
        scores[slot] = 0.0;
        ByteDistribution::from_scores(&scores).unwrap()
    };
    let error = combine(&[only(65), only(66)], Combination::Product).unwrap_err();
    assert_eq!(error.code(), "contradictory-constraints");
    assert!(combine(&[only(65), only(66)], Combination::Mixture).is_ok());
}

fn options(seed: u64, max_bytes: usize) -> ByteGenerationOptions {
    ByteGenerationOptions {
        max_bytes,
        sampler: SamplerOptions {
            temperature: 1.0,
            top_k: 0,
            top_p: 1.0,
            seed: Some(seed),
            ..SamplerOptions::default()
        },
        utf8: false,
        tolerance: 0.0,
    }
}

#[test]
fn drawn_texts_follow_the_sum_over_tokenizations() {
    let toy = Toy::dossier();
    let scorer = ToyScorer::new(9, toy.size());
    let context = [toy.tokens.len() as u32];
    let draws = 4000;
    // Looking into everything, and into what a draw falls on.
    for tolerance in [0.0, 0.5] {
        let mut counts = std::collections::HashMap::<Vec<u8>, usize>::new();
        let mut byte_model = model(&toy, 9, ALL);
        for seed in 0..draws {
            let options = ByteGenerationOptions {
                tolerance,
                ..options(seed, 3)
            };
            let run = ByteGeneration::new(&mut byte_model, b"", options, Vec::new()).unwrap();
            *counts
                .entry(block_on(run.finish()).unwrap().bytes)
                .or_default() += 1;
        }
        let mut checked = 0;
        for (text, count) in counts.iter().filter(|(text, _)| text.len() == 3) {
            let masses = brute_force(&toy, &scorer, &context, text, false);
            let want = masses.iter().sum::<f64>();
            let have = *count as f64 / draws as f64;
            let sigma = (want * (1.0 - want) / draws as f64).sqrt();
            assert!(
                (have - want).abs() < 4.0 * sigma + 1e-9,
                "{text:?}: {have} {want}"
            );
            checked += 1;
        }
        assert!(checked >= 4, "{checked}");
    }
}

#[test]
fn constrained_bytes_are_masked_and_renormalised() {
    let toy = Toy::dossier();
    for seed in 0..50 {
        let mut byte_model = model(&toy, seed, Estimand::Canonical);
        let constraint = || -> Vec<Box<dyn ByteConstraint>> {
            vec![Box::new(
                RegexConstraint::new("(ab|ba){2,3}", true).unwrap(),
            )]
        };
        let mut run =
            ByteGeneration::new(&mut byte_model, b"b", options(seed, 64), constraint()).unwrap();
        let (mut text, mut log_probs) = (Vec::new(), Vec::new());
        let end = loop {
            match block_on(run.next()).unwrap() {
                lexigraft_decode::bytes::ByteStep::Bytes { bytes, log_prob } => {
                    text.extend(bytes);
                    log_probs.push(f64::from(log_prob));
                }
                lexigraft_decode::bytes::ByteStep::End(result) => break result,
            }
        };
        assert!(matches!(end.reason, ByteEnd::Stop | ByteEnd::Constraint));
        assert_eq!(text, end.bytes);
        assert!(text.len() == 4 || text.len() == 6, "{text:?}");
        assert!(
            text.chunks(2).all(|two| two == b"ab" || two == b"ba"),
            "{text:?}"
        );
        // By hand: of what may come, renormalised.
        for (at, log_prob) in log_probs.iter().enumerate() {
            let whole = probs(&exact(
                &mut model(&toy, seed, Estimand::Canonical),
                &[b"b", &text[..at]].concat(),
            ));
            let may_stop = at == 4;
            let allowed: Vec<usize> = match at % 2 {
                0 => vec![97, 98],
                _ => vec![if text[at - 1] == b'a' { 98 } else { 97 }],
            };
            let mut total: f64 = allowed.iter().map(|slot| whole[*slot]).sum();
            total += if may_stop { whole[STOP] } else { 0.0 };
            let want = (whole[usize::from(text[at])] / total).ln();
            assert!((log_prob - want).abs() < 1e-5, "{log_prob} {want}");
        }
    }
}

#[test]
fn contradictions_and_bad_options_have_codes() {
    let toy = Toy::dossier();
    let mut byte_model = model(&toy, 1, ALL);
    let regex = |pattern: &str| -> Box<dyn ByteConstraint> {
        Box::new(RegexConstraint::new(pattern, true).unwrap())
    };
    let mut code = |constraints, options: ByteGenerationOptions| match ByteGeneration::new(
        &mut byte_model,
        b"",
        options,
        constraints,
    ) {
        Ok(run) => block_on(run.finish()).unwrap_err().code(),
        Err(error) => error.code(),
    };
    let both = vec![regex("a+"), regex("b+")];
    assert_eq!(code(both, options(1, 9)), "contradictory-constraints");
    // The vocabulary has no c.
    assert_eq!(
        code(vec![regex("c")], options(1, 9)),
        "contradictory-constraints"
    );
    assert_eq!(code(Vec::new(), options(1, 0)), "invalid-argument");
    let lax = ByteGenerationOptions {
        tolerance: 1.0,
        ..options(1, 9)
    };
    assert_eq!(code(Vec::new(), lax), "invalid-argument");
    let mut penalty = options(1, 9);
    penalty.sampler.repetition_penalty = 1.1;
    assert_eq!(code(Vec::new(), penalty), "invalid-argument");
}

#[test]
fn what_cannot_be_covered_has_codes() {
    let toy = Toy::dossier();
    let code = |text: &[u8], estimand| {
        let mut byte_model = model(&toy, 1, estimand);
        block_on(byte_model.next_byte(text, None, Precision::Exact))
            .unwrap_err()
            .code()
    };
    assert_eq!(code(b"abc", ALL), "no-tokenization");
    assert_eq!(code(b"abc", Estimand::Canonical), "no-tokenization");
    let narrow = Estimand::All {
        beam: Some(Beam::new(2)),
    };
    assert_eq!(code(b"abc", narrow), "no-tokenization");
    assert_eq!(code(&b"ab".repeat(20), ALL), "too-many-tokenizations");
    let long = b"a".repeat(40);
    let context = Context::of(vec![3]).unwrap();
    let mut scorer = ToyScorer::new(1, toy.size());
    scorer.context_length = 16;
    let mut byte_model = ByteModel::new(
        toy.vocabulary(),
        scorer,
        Estimand::Canonical,
        context.clone(),
    )
    .unwrap();
    let error = block_on(byte_model.next_byte(&long, None, Precision::Exact)).unwrap_err();
    assert_eq!(error.code(), "prompt-too-long");
    // After an error the model answers as before.
    assert!(block_on(byte_model.next_byte(b"a", None, Precision::Exact)).is_ok());
    assert_eq!(
        Context::of(Vec::new()).unwrap_err().code(),
        "invalid-argument"
    );
    let none = Estimand::All {
        beam: Some(Beam {
            width: 0,
            threshold: 0.0,
        }),
    };
    let error = ByteModel::new(toy.vocabulary(), ToyScorer::new(1, 4), none, context)
        .err()
        .unwrap();
    assert_eq!(error.code(), "invalid-argument");
    let error: DecodeError = fill_in_the_middle(&toy.vocabulary(), b"a", b"b").unwrap_err();
    assert_eq!(error.code(), "no-fill-in-the-middle");
}

#[test]
fn a_narrow_beam_heals_where_it_ran_dry() {
    // Token a is certain by far, ab has what is left, b almost nothing: a beam of one keeps
    // what a later byte contradicts.
    let toy = Toy {
        tokens: [&b"a"[..], b"b", b"c", b"ab", b"abc"]
            .map(<[u8]>::to_vec)
            .to_vec(),
        merges: vec![[0, 1, 3], [3, 2, 4]],
        controls: 1,
    };
    let mut random = Random(5);
    let mut healed = 0;
    for _ in 0..200 {
        let seed = random.next();
        let text: Vec<u8> = (0..6).map(|_| b"abc"[random.below(3)]).collect();
        let narrow = Estimand::All {
            beam: Some(Beam {
                width: 1,
                threshold: 0.0,
            }),
        };
        let mut byte_model = model(&toy, seed, narrow);
        let next = exact(&mut byte_model, &text);
        assert!((probs(&next).iter().sum::<f64>() - 1.0).abs() < 1e-5);
        healed += 1;
    }
    assert_eq!(healed, 200);
}

#[test]
fn baselines_continue_as_their_rules_say() {
    let (_, toy) = pair(); // a, b, ba, bab
    let vocabulary = toy.vocabulary();
    let context = Context::of(vec![4]).unwrap();
    let greedy = ByteGenerationOptions {
        max_bytes: 6,
        sampler: SamplerOptions {
            temperature: 0.0,
            ..SamplerOptions::default()
        },
        ..ByteGenerationOptions::default()
    };
    for seed in 0..100 {
        let scorer = ToyScorer::new(seed, toy.size());
        let run = |prompt: &[u8], method| {
            let mut scorer = scorer.clone();
            let run = TokenGeneration::new(
                &mut scorer,
                &vocabulary,
                &context,
                prompt,
                method,
                &greedy,
                Vec::new(),
            );
            block_on(run.unwrap().finish()).unwrap()
        };
        // By hand: the likeliest token of those that agree, until six bytes are there.
        let by_hand = |mut path: Vec<u32>, mut open: Vec<u8>, partial: bool| {
            let mut text = Vec::new();
            while text.len() < 6 {
                let logits = scorer.logits_after(&path);
                let agrees = |id: &usize| match toy.tokens.get(*id) {
                    None => open.is_empty(),
                    Some(token) => token.starts_with(&open) || partial && open.starts_with(token),
                };
                let best = (0..logits.len())
                    .filter(agrees)
                    .max_by(|a, b| logits[*a].total_cmp(&logits[*b]));
                let best = best.unwrap();
                let Some(token) = toy.tokens.get(best) else {
                    break;
                };
                let again = token.len().min(open.len());
                open.drain(..again);
                text.extend_from_slice(&token[again..]);
                path.push(best as u32);
            }
            text.truncate(6);
            text
        };
        assert_eq!(
            run(b"abab", TokenMethod::Plain).bytes,
            by_hand(vec![4, 0, 3], vec![], false)
        );
        assert_eq!(
            run(b"abab", TokenMethod::Healing).bytes,
            by_hand(vec![4, 0], b"bab".to_vec(), false)
        );
        assert_eq!(
            run(b"abab", TokenMethod::Alignment { tokens: 2 }).bytes,
            by_hand(vec![4], b"abab".to_vec(), true)
        );
        assert_eq!(
            run(b"", TokenMethod::Healing).bytes,
            by_hand(vec![4], vec![], false)
        );
    }
}

#[test]
fn a_mask_of_tokens_is_what_the_constraint_says_of_each() {
    let mut random = Random(11);
    for pattern in ["(ab)*", "a+b?", "[^b]{1,3}", "b.*"] {
        let constraints: Vec<Box<dyn ByteConstraint>> =
            vec![Box::new(RegexConstraint::new(pattern, true).unwrap())];
        for _ in 0..20 {
            let toy = Toy::random(&mut random);
            let vocabulary = toy.vocabulary();
            let trie = vocabulary.trie();
            let mask = token_mask(trie, trie.root(), &constraints);
            for (place, have) in mask.iter().enumerate() {
                let mut state = RegexConstraint::new(pattern, true).unwrap();
                let want = trie.token(place).iter().all(|byte| {
                    let allowed = state.allowed().contains((*byte).into());
                    state.push(*byte);
                    allowed
                });
                assert_eq!(*have, want, "{pattern} {:?}", trie.token(place));
            }
        }
    }
    // Under a mask, tokens keep to the expression.
    let toy = Toy::dossier();
    for seed in 0..50 {
        let mut scorer = ToyScorer::new(seed, toy.size());
        let constraint: Vec<Box<dyn ByteConstraint>> =
            vec![Box::new(RegexConstraint::new("b(ab)*", true).unwrap())];
        let context = Context::of(vec![3]).unwrap();
        let run = TokenGeneration::new(
            &mut scorer,
            &toy.vocabulary(),
            &context,
            b"a",
            TokenMethod::Healing,
            &options(seed, 9),
            constraint,
        );
        let bytes = block_on(run.unwrap().finish()).unwrap().bytes;
        assert!(
            b"bababababab".starts_with(&bytes) && !bytes.is_empty(),
            "{bytes:?}"
        );
    }
}

#[test]
fn the_middle_begins_with_the_open_end_of_the_prefix() {
    let json = |names: [&str; 3]| {
        let added: Vec<_> = names
            .iter()
            .zip(3..)
            .map(|(name, id)| {
                serde_json::json!({"id": id,
            "content": name, "special": true, "single_word": false, "lstrip": false,
            "rstrip": false, "normalized": false})
            })
            .collect();
        serde_json::json!({"added_tokens": added, "decoder": {"type": "ByteLevel",
            "add_prefix_space": false, "trim_offsets": true, "use_regex": false},
            "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": [["a", "b"]]}})
        .to_string()
    };
    for names in [
        ["<fim_prefix>", "<fim_suffix>", "<fim_middle>"],
        ["<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"],
    ] {
        let tokenizer = lexigraft_text::Tokenizer::from_json(json(names).as_bytes()).unwrap();
        let vocabulary = ByteVocabulary::new(&tokenizer).unwrap();
        // "ab" may not be cut: its a is certain only when no b can follow.
        let prompt = fill_in_the_middle(&vocabulary, b"bba", b"ba").unwrap();
        assert_eq!(prompt.context.tokens(), [3, 1, 1, 4, 1, 0, 5]);
        assert_eq!(prompt.open, b"a");
        let scorer = ToyScorer::new(1, 6);
        let mut byte_model =
            ByteModel::new(vocabulary, scorer, Estimand::Canonical, prompt.context).unwrap();
        let next = exact(&mut byte_model, &prompt.open);
        assert!(next.log_prob(usize::from(b'b')) > f32::NEG_INFINITY);
    }
}

#[test]
fn covers_are_the_sequences_that_cover_and_weigh_what_they_should() {
    let mut random = Random(77);
    for case in 0..200 {
        let toy = Toy::random(&mut random);
        let scorer = ToyScorer::new(random.next(), toy.size());
        let symbols: Vec<u8> = (toy.tokens.iter())
            .filter(|t| t.len() == 1)
            .map(|t| t[0])
            .collect();
        let text: Vec<u8> = (0..1 + random.below(6))
            .map(|_| symbols[random.below(symbols.len())])
            .collect();
        let context = Context::of(vec![toy.tokens.len() as u32]).unwrap();
        for estimand in [ALL, Estimand::Canonical] {
            let mut byte_model =
                ByteModel::new(toy.vocabulary(), scorer.clone(), estimand, context.clone())
                    .unwrap();
            let covers = block_on(byte_model.covers(&text)).unwrap();
            let mut total = 0.0;
            let weight = |tokens: &[u32]| {
                let mut path = context.tokens().to_vec();
                tokens.iter().fold(0.0, |sum, id| {
                    let logits = scorer.logits_after(&path);
                    let all: f64 = logits.iter().map(|l| f64::from(*l).exp()).sum();
                    path.push(*id);
                    sum + f64::from(logits[*id as usize]) - all.ln()
                })
            };
            for cover in &covers {
                let bytes: Vec<u8> = (cover.tokens.iter())
                    .flat_map(|id| &toy.tokens[*id as usize])
                    .copied()
                    .collect();
                assert_eq!(
                    bytes,
                    [text.as_slice(), &cover.beyond].concat(),
                    "case {case}"
                );
                let last = toy.tokens[*cover.tokens.last().unwrap() as usize].len();
                assert!(bytes.len() - last < text.len(), "case {case}");
                total += cover.log_prob.exp();
                // Differences of log-probabilities are those of the model, but for canonical
                // sequences that nothing can follow.
                let off = (cover.log_prob - covers[0].log_prob)
                    - (weight(&cover.tokens) - weight(&covers[0].tokens));
                assert!(off.abs() < 1e-5, "case {case}: {off}");
            }
            assert!((total - 1.0).abs() < 1e-9);
            // The likeliest one, then tokens, is what a run from it gives.
            let options = ByteGenerationOptions {
                max_bytes: 5,
                sampler: SamplerOptions {
                    temperature: 0.0,
                    ..SamplerOptions::default()
                },
                ..ByteGenerationOptions::default()
            };
            let run = block_on(TokenGeneration::covering(
                &mut byte_model,
                &text,
                &options,
                Vec::new(),
            ));
            let bytes = block_on(run.unwrap().finish()).unwrap().bytes;
            let beyond = &covers[0].beyond;
            assert!(
                bytes.starts_with(&beyond[..beyond.len().min(5)]),
                "case {case}"
            );
        }
    }
}
