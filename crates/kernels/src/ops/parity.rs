//! The slice kernels against the references in plain Burn, on the same tensors.

use burn::tensor::{Device, Tensor, TensorData};

use super::{
    CausalMask, Heads, RopeTables, add_rows, attention, branch_attention, full_attention, gelu,
    grow_cache, layer_norm, mean_rows, quick_gelu, rms_norm, rope, row, swiglu, target_log_probs,
};

fn noise<const D: usize>(shape: [usize; D], seed: f32) -> Tensor<D> {
    let values: Vec<f32> = (0..shape.iter().product())
        .map(|i: usize| (i as f32 * 1.31 + seed).sin() * 2.0)
        .collect();
    Tensor::from_data(TensorData::new(values, shape), &Device::flex())
}

fn assert_close<const D: usize>(have: Tensor<D>, want: Tensor<D>) {
    assert_eq!(have.dims(), want.dims());
    let distance = (have - want.clone()).abs() / (want.abs() + 1.0);
    let worst: f32 = distance.max().into_scalar();
    assert!(worst < 2e-5, "{worst}");
}

#[test]
fn rms_norms_agree() {
    for shape in [[1, 1], [3, 7], [5, 64], [2, 576]] {
        let (x, weight) = (noise(shape, 0.1), noise([shape[1]], 0.2));
        let want = rms_norm::reference(x.clone(), &weight, 1e-5);
        assert_close(super::rms_norm(x, &weight, 1e-5), want);
    }
}

#[test]
fn layer_norms_and_gelus_agree() {
    for shape in [[1, 2], [3, 7], [5, 384]] {
        let x = noise(shape, 0.1) * 3.0;
        let (weight, bias) = (noise([shape[1]], 0.2), noise([shape[1]], 0.3));
        let want = layer_norm::reference(x.clone(), &weight, &bias, 1e-5);
        assert_close(super::layer_norm(x.clone(), &weight, &bias, 1e-5), want);
        assert_close(super::gelu(x.clone()), gelu::reference(x.clone()));
        assert_close(super::quick_gelu(x.clone()), quick_gelu::reference(x));
    }
}

#[test]
fn a_view_is_read_where_it_lies() {
    let weight = noise([7], 0.3);
    let x = noise([9, 7], 0.4);
    let (rows, columns) = (x.clone().narrow(0, 3, 4), x.swap_dims(0, 1).narrow(1, 1, 7));
    for view in [rows, columns] {
        let want = rms_norm::reference(view.clone(), &weight, 1e-5);
        assert_close(super::rms_norm(view, &weight, 1e-5), want);
    }
}

#[test]
fn swiglus_agree() {
    for shape in [[1, 2], [3, 10], [4, 3072]] {
        let x = noise(shape, 0.5) * 20.0;
        assert_close(super::swiglu(x.clone()), swiglu::reference(x));
    }
}

#[test]
fn full_attentions_agree() {
    for (heads, head_dim, tokens, texts) in
        [(1, 2, 1, 1), (3, 6, 5, 1), (12, 32, 31, 1), (12, 32, 7, 3)]
    {
        let qkv = noise([texts * tokens, 3 * heads * head_dim], 0.4);
        let want = full_attention::reference(qkv.clone(), tokens, heads);
        assert_close(super::full_attention(qkv, tokens, heads), want);
    }
}

#[test]
fn attention_over_an_appended_cache_agrees() {
    for (heads, kv_heads, head_dim) in [(1, 1, 2), (4, 2, 6), (9, 3, 64)] {
        let heads = Heads {
            heads,
            kv_heads,
            head_dim,
        };
        for (start, tokens, spare) in [(0, 1, 0), (0, 5, 2), (7, 1, 3), (30, 9, 0)] {
            let shape = [kv_heads, start + tokens + spare, head_dim];
            let (keys, values) = (noise(shape, 0.6), noise(shape, 0.7));
            let qkv = noise([tokens, heads.columns()], 0.8);
            let angles = RopeTables {
                cos: noise([start + tokens, head_dim], 0.9),
                sin: noise([start + tokens, head_dim], 1.0),
            };
            let want = rope::reference(
                qkv.clone(),
                heads,
                &angles,
                start,
                keys.clone(),
                values.clone(),
            );
            let have = super::rope_append(qkv, heads, &angles, start, keys, values);
            assert_close(have.0.clone(), want.0.clone());
            assert_close(have.1.clone(), want.1.clone());
            assert_close(have.2.clone(), want.2.clone());
            let mask = CausalMask::new(start, tokens);
            assert_close(
                super::attention(have.0, &have.1, &have.2, heads, &mask),
                attention::reference(want.0, &want.1, &want.2, heads, &mask),
            );
        }
    }
}

#[test]
fn branches_get_what_they_would_get_alone() {
    let heads = Heads {
        heads: 4,
        kv_heads: 2,
        head_dim: 6,
    };
    let shape = [2, 16, 6];
    let angles = RopeTables {
        cos: noise([16, 6], 0.9),
        sin: noise([16, 6], 1.0),
    };
    let cases: [&[(usize, usize)]; 4] = [
        &[(5, 3), (6, 1), (6, 4)],
        &[(0, 2), (0, 1), (1, 2), (3, 1)],
        &[(7, 1), (7, 1), (7, 1)],
        &[(9, 1), (10, 6)],
    ];
    for branches in cases {
        let rows = branches.iter().map(|(_, tokens)| tokens).sum();
        let qkv = noise([rows, heads.columns()], 0.8);
        let cache = || (noise(shape, 0.6), noise(shape, 0.7));
        let masks: Vec<CausalMask> = branches
            .iter()
            .map(|(start, tokens)| CausalMask::new(*start, *tokens))
            .collect();
        let (keys, values) = cache();
        let want = branch_attention::reference(qkv.clone(), heads, &angles, &masks, keys, values);
        let (keys, values) = cache();
        let have = super::branch_attention(qkv.clone(), heads, &angles, &masks, keys, values);
        assert_close(have.0.clone(), want.0);
        assert_close(have.1.clone(), want.1);
        assert_close(have.2.clone(), want.2);
        let (mut keys, mut values) = cache();
        let mut first = 0;
        for (mask, (_, tokens)) in masks.iter().zip(branches) {
            let part = qkv.clone().narrow(0, first, *tokens);
            let alone;
            (alone, keys, values) =
                super::append_attention(part, heads, &angles, mask, keys, values);
            let mine = have.0.clone().narrow(0, first, *tokens);
            assert!(
                alone.equal(mine).all().into_scalar::<bool>(),
                "{branches:?}"
            );
            first += tokens;
        }
        assert!(keys.equal(have.1).all().into_scalar::<bool>());
        assert!(values.equal(have.2).all().into_scalar::<bool>());
    }
}

#[test]
fn a_cache_that_others_hold_is_copied_before_it_is_written() {
    let heads = Heads {
        heads: 1,
        kv_heads: 1,
        head_dim: 2,
    };
    let keys = Tensor::<3>::zeros([1, 4, 2], &Device::flex());
    let angles = RopeTables {
        cos: Tensor::ones([2, 2], &Device::flex()),
        sin: Tensor::zeros([2, 2], &Device::flex()),
    };
    let qkv = noise([1, heads.columns()], 1.1);
    let (_, written, _) = super::rope_append(qkv, heads, &angles, 1, keys.clone(), keys.clone());
    let sum = |tensor: Tensor<3>| -> f32 { tensor.abs().sum().into_scalar() };
    assert_eq!(sum(keys), 0.0);
    assert!(sum(written) > 0.0);
}

#[test]
fn sums_means_and_copies_agree() {
    for shape in [[1, 1], [3, 7], [31, 384]] {
        let (x, table) = (noise(shape, 1.2), noise([shape[0] + 2, shape[1]], 1.3));
        // As one text, and as texts of one row.
        for tokens in [shape[0], 1] {
            let want = add_rows::reference(x.clone(), &table, tokens);
            assert_close(super::add_rows(x.clone(), &table, tokens), want);
            let want = mean_rows::reference(x.clone(), tokens);
            assert_close(super::mean_rows(x.clone(), tokens), want);
        }
        for index in [0, shape[0] / 2, shape[0] - 1] {
            let want = row::reference(x.clone(), index);
            assert_close(super::row(x.clone(), index), want);
        }
    }
    for (len, capacity) in [(0, 3), (4, 4), (5, 9)] {
        let old = noise([3, 5, 6], 1.4);
        let want = grow_cache::reference(old.clone(), len, capacity);
        assert_close(super::grow_cache(old, len, capacity), want);
    }
}

#[test]
fn log_probabilities_of_targets_agree() {
    for (tokens, vocab) in [(1, 1), (3, 7), (5, 49_152)] {
        let logits = noise([tokens, vocab], 1.5) * 9.0;
        let targets: Vec<u32> = (0..tokens).map(|i| (i * 17_011 % vocab) as u32).collect();
        let want = target_log_probs::reference(logits.clone(), &targets);
        assert_close(super::target_log_probs(logits, &targets), want);
    }
}
