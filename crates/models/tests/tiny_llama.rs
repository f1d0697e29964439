//! A small random Llama in the safetensors layout against a plain-Rust oracle in f64.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use lexigraft_checkpoint::{Checkpoint, MemorySource};
use lexigraft_models::decoder::{Branch, Decoder, DecoderConfig};
use lexigraft_models::device::read_f32;
use lexigraft_models::{ComputeDevice, DeviceKind};
use safetensors::tensor::{Dtype, TensorView};

const VOCAB: usize = 23;
const HIDDEN: usize = 12;
const WIDE: usize = 20;
const LAYERS: usize = 2;
const HEADS: usize = 6;
const KV_HEADS: usize = 2;
const HEAD_DIM: usize = 4;
const EPS: f64 = 1e-5;
const THETA: f64 = 100.0;

type Weights = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

fn weights(tied: bool) -> Weights {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut random = |shape: &[usize]| {
        let values = (0..shape.iter().product())
            .map(|_| {
                // xorshift64
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                (state >> 40) as f32 / (1u64 << 24) as f32 - 0.5
            })
            .collect();
        (shape.to_vec(), values)
    };
    let mut weights = Weights::new();
    let mut add = |name: String, shape: &[usize]| {
        weights.insert(name, random(shape));
    };
    add("model.embed_tokens.weight".into(), &[VOCAB, HIDDEN]);
    for layer in 0..LAYERS {
        let name = |part: &str| format!("model.layers.{layer}.{part}.weight");
        add(name("input_layernorm"), &[HIDDEN]);
        add(name("self_attn.q_proj"), &[HEADS * HEAD_DIM, HIDDEN]);
        add(name("self_attn.k_proj"), &[KV_HEADS * HEAD_DIM, HIDDEN]);
        add(name("self_attn.v_proj"), &[KV_HEADS * HEAD_DIM, HIDDEN]);
        add(name("self_attn.o_proj"), &[HIDDEN, HEADS * HEAD_DIM]);
        add(name("post_attention_layernorm"), &[HIDDEN]);
        add(name("mlp.gate_proj"), &[WIDE, HIDDEN]);
        add(name("mlp.up_proj"), &[WIDE, HIDDEN]);
        add(name("mlp.down_proj"), &[HIDDEN, WIDE]);
    }
    add("model.norm.weight".into(), &[HIDDEN]);
    if !tied {
        add("lm_head.weight".into(), &[VOCAB, HIDDEN]);
    }
    weights
}

fn file(weights: &Weights) -> Vec<u8> {
    let bytes: BTreeMap<&String, Vec<u8>> = weights
        .iter()
        .map(|(name, (_, values))| {
            let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
            (name, bytes)
        })
        .collect();
    let views = weights.iter().map(|(name, (shape, _))| {
        let view = TensorView::new(Dtype::F32, shape.clone(), &bytes[name]).expect("a view");
        (name.clone(), view)
    });
    safetensors::serialize(views, None).expect("serialises")
}

fn config_json() -> String {
    format!(
        r#"{{"model_type": "llama", "architectures": ["LlamaForCausalLM"], "vocab_size": {VOCAB},
        "hidden_size": {HIDDEN}, "intermediate_size": {WIDE}, "num_hidden_layers": {LAYERS},
        "num_attention_heads": {HEADS}, "num_key_value_heads": {KV_HEADS}, "head_dim": {HEAD_DIM},
        "max_position_embeddings": 64, "rms_norm_eps": {EPS}, "rope_theta": {THETA},
        "hidden_act": "silu"}}"#
    )
}

async fn load(weights: &Weights) -> Decoder {
    let checkpoint = Checkpoint::open(MemorySource::new(file(weights)))
        .await
        .expect("opens");
    let config = DecoderConfig::from_checkpoint(&checkpoint, Some(config_json().as_bytes()))
        .expect("is a configuration");
    let device = ComputeDevice::open(DeviceKind::Cpu).await.expect("opens");
    Decoder::load(&checkpoint, config, &device, &mut |_, _| {
        ControlFlow::Continue(())
    })
    .await
    .expect("loads")
}

/// The embedding's rows of ids.
fn rows_of(weights: &Weights, ids: &[u32]) -> Vec<f32> {
    let (_, table) = &weights["model.embed_tokens.weight"];
    let rows = ids
        .iter()
        .map(|&id| &table[id as usize * HIDDEN..][..HIDDEN]);
    rows.flatten().copied().collect()
}

fn oracle(weights: &Weights, ids: &[u32]) -> Vec<Vec<f64>> {
    oracle_of_rows(weights, &rows_of(weights, ids))
}

/// Logits of every position, one equation after the other.
fn oracle_of_rows(weights: &Weights, rows: &[f32]) -> Vec<Vec<f64>> {
    let get = |name: &str| -> (&[usize], &[f32]) {
        let (shape, values) = &weights[name];
        (shape, values)
    };
    let project = |name: &str, x: &[f64]| -> Vec<f64> {
        let (shape, values) = get(name);
        values
            .chunks_exact(shape[1])
            .map(|row| row.iter().zip(x).map(|(w, x)| f64::from(*w) * x).sum())
            .collect()
    };
    let norm = |name: &str, x: &[f64]| -> Vec<f64> {
        let (_, weight) = get(name);
        let mean = x.iter().map(|v| v * v).sum::<f64>() / x.len() as f64;
        let scale = 1.0 / (mean + EPS).sqrt();
        x.iter()
            .zip(weight)
            .map(|(v, w)| v * scale * f64::from(*w))
            .collect()
    };
    let rotate = |x: &mut [f64], position: usize| {
        for head in x.chunks_exact_mut(HEAD_DIM) {
            for i in 0..HEAD_DIM / 2 {
                let angle = position as f64 * THETA.powf(-2.0 * i as f64 / HEAD_DIM as f64);
                let (a, b) = (head[i], head[i + HEAD_DIM / 2]);
                head[i] = a * angle.cos() - b * angle.sin();
                head[i + HEAD_DIM / 2] = b * angle.cos() + a * angle.sin();
            }
        }
    };
    let mut states: Vec<Vec<f64>> = rows
        .chunks_exact(HIDDEN)
        .map(|row| row.iter().map(|&v| f64::from(v)).collect())
        .collect();
    for layer in 0..LAYERS {
        let name = |part: &str| format!("model.layers.{layer}.{part}.weight");
        let (mut keys, mut values) = (Vec::new(), Vec::new());
        for (position, state) in states.iter_mut().enumerate() {
            let x = norm(&name("input_layernorm"), state);
            let mut query = project(&name("self_attn.q_proj"), &x);
            let mut key = project(&name("self_attn.k_proj"), &x);
            rotate(&mut query, position);
            rotate(&mut key, position);
            keys.push(key);
            values.push(project(&name("self_attn.v_proj"), &x));
            let mut mixed = vec![0f64; HEADS * HEAD_DIM];
            for head in 0..HEADS {
                let shared = head / (HEADS / KV_HEADS) * HEAD_DIM;
                let q = &query[head * HEAD_DIM..][..HEAD_DIM];
                let weights: Vec<f64> = keys
                    .iter()
                    .map(|key: &Vec<f64>| {
                        let k = &key[shared..][..HEAD_DIM];
                        let dot: f64 = q.iter().zip(k).map(|(a, b)| a * b).sum();
                        (dot / (HEAD_DIM as f64).sqrt()).exp()
                    })
                    .collect();
                let total: f64 = weights.iter().sum();
                for (weight, value) in weights.iter().zip(&values) {
                    let value: &Vec<f64> = value;
                    for i in 0..HEAD_DIM {
                        mixed[head * HEAD_DIM + i] += weight / total * value[shared + i];
                    }
                }
            }
            let attended = project(&name("self_attn.o_proj"), &mixed);
            state.iter_mut().zip(attended).for_each(|(s, a)| *s += a);
            let x = norm(&name("post_attention_layernorm"), state);
            let gate = project(&name("mlp.gate_proj"), &x);
            let up = project(&name("mlp.up_proj"), &x);
            let product: Vec<f64> = gate
                .iter()
                .zip(up)
                .map(|(g, u)| g / (1.0 + (-g).exp()) * u)
                .collect();
            let fed = project(&name("mlp.down_proj"), &product);
            state.iter_mut().zip(fed).for_each(|(s, f)| *s += f);
        }
    }
    let head = if weights.contains_key("lm_head.weight") {
        "lm_head.weight"
    } else {
        "model.embed_tokens.weight"
    };
    states
        .iter()
        .map(|state| project(head, &norm("model.norm.weight", state)))
        .collect()
}

fn distance(have: &[f32], want: &[Vec<f64>]) -> f64 {
    let want: Vec<f64> = want.concat();
    assert_eq!(have.len(), want.len());
    have.iter()
        .zip(want)
        .map(|(a, b)| (f64::from(*a) - b).abs())
        .fold(0.0, f64::max)
}

const IDS: [u32; 11] = [3, 22, 0, 7, 7, 15, 1, 9, 20, 4, 3];

#[test]
fn tied_and_untied_heads_agree_with_the_oracle() {
    pollster::block_on(async {
        for tied in [true, false] {
            let weights = weights(tied);
            let model = load(&weights).await;
            assert_eq!(model.config().tied_embeddings, tied);
            let mut cache = model.new_cache(IDS.len()).expect("fits");
            let hidden = model.forward(&IDS, &mut cache).expect("runs");
            let logits = read_f32(model.logits(hidden)).await.expect("reads");
            let distance = distance(&logits, &oracle(&weights, &IDS));
            assert!(distance < 1e-5, "tied {tied}: {distance}");
        }
    });
}

#[test]
fn any_split_into_chunks_gives_the_same_logits() {
    pollster::block_on(async {
        let weights = weights(false);
        let model = load(&weights).await;
        let want = oracle(&weights, &IDS);
        for sizes in [
            vec![1; 11],
            vec![4, 4, 3],
            vec![1, 10],
            vec![10, 1],
            vec![5, 1, 1, 4],
        ] {
            let mut cache = model.new_cache(16).expect("fits");
            let mut rest = &IDS[..];
            let mut logits = Vec::new();
            for size in &sizes {
                let (chunk, after) = rest.split_at(*size);
                let hidden = model.forward(chunk, &mut cache).expect("runs");
                logits.extend(read_f32(model.logits(hidden)).await.expect("reads"));
                rest = after;
            }
            let distance = distance(&logits, &want);
            assert!(distance < 1e-5, "{sizes:?}: {distance}");
        }
    });
}

#[test]
fn rows_that_no_id_has_agree_with_the_oracle() {
    pollster::block_on(async {
        let weights = weights(false);
        let model = load(&weights).await;
        // Places 2 and 3 as one token: their mean, and one position for it.
        let mut rows = rows_of(&weights, &IDS);
        for i in 0..HIDDEN {
            rows[2 * HIDDEN + i] = (rows[2 * HIDDEN + i] + rows[3 * HIDDEN + i]) / 2.0;
        }
        rows.drain(3 * HIDDEN..4 * HIDDEN);
        let want = oracle_of_rows(&weights, &rows);
        assert_eq!(want.len(), IDS.len() - 1);
        let mut cache = model.new_cache(11).expect("fits");
        let mut logits = Vec::new();
        for chunk in rows.chunks(7 * HIDDEN) {
            let hidden = model.forward_embedded(chunk.to_vec(), &mut cache);
            let hidden = hidden.expect("runs");
            logits.extend(read_f32(model.logits(hidden)).await.expect("reads"));
        }
        let distance = distance(&logits, &want);
        assert!(distance < 1e-5, "{distance}");

        for refused in [vec![], vec![0.0; HIDDEN + 1], vec![0.0; 2 * HIDDEN]] {
            let error = model.forward_embedded(refused, &mut cache);
            assert_eq!(error.expect_err("is refused").code(), "invalid-argument");
            assert_eq!(cache.len(), 10);
        }

        // An embedding's own rows are ids by another way, to the last bit.
        let mut cache = model.new_cache(11).expect("fits");
        let hidden = model.forward_embedded(rows_of(&weights, &IDS), &mut cache);
        let by_rows = read_f32(hidden.expect("runs")).await.expect("reads");
        let mut cache = model.new_cache(11).expect("fits");
        let hidden = model.forward(&IDS, &mut cache).expect("runs");
        assert_eq!(by_rows, read_f32(hidden).await.expect("reads"));
    });
}

#[test]
fn truncating_and_growing_a_cache_forgets_and_keeps_what_it_should() {
    pollster::block_on(async {
        let weights = weights(true);
        let model = load(&weights).await;
        let mut cache = model.new_cache(8).expect("fits");
        model
            .forward(&[3, 22, 0, 19, 19, 19], &mut cache)
            .expect("runs");
        cache.truncate(3);
        let mut cache = model.grow_cache(cache, 32).expect("fits");
        assert_eq!((cache.len(), cache.capacity()), (3, 32));
        let hidden = model.forward(&IDS[3..], &mut cache).expect("runs");
        let logits = read_f32(model.logits(hidden)).await.expect("reads");
        let distance = distance(&logits, &oracle(&weights, &IDS)[3..]);
        assert!(distance < 1e-5, "{distance}");
    });
}

#[test]
fn branches_give_what_one_after_the_other_gives() {
    pollster::block_on(async {
        let model = load(&weights(false)).await;
        let branches = [
            (4, &[7u32, 15][..]),
            (5, &[9]),
            (2, &[1, 1, 1, 1, 1]),
            (7, &[4]),
            (3, &[20]),
        ];
        let branches = branches.map(|(start, ids)| Branch { start, ids });
        let mut cache = model.new_cache(16).expect("fits");
        model.forward(&IDS[..6], &mut cache).expect("runs");
        let hidden = model.forward_branches(&branches, &mut cache);
        let together = read_f32(hidden.expect("runs")).await.expect("reads");
        assert_eq!(cache.len(), 4);
        let after = model.forward(&IDS[..2], &mut cache).expect("runs");
        let after = read_f32(after).await.expect("reads");

        let mut cache = model.new_cache(16).expect("fits");
        model.forward(&IDS[..6], &mut cache).expect("runs");
        let mut alone = Vec::new();
        for Branch { start, ids } in branches {
            cache.truncate(start);
            let hidden = model.forward(ids, &mut cache).expect("runs");
            alone.extend(read_f32(hidden).await.expect("reads"));
        }
        assert_eq!(together, alone);
        let hidden = model.forward(&IDS[..2], &mut cache).expect("runs");
        assert_eq!(after, read_f32(hidden).await.expect("reads"));

        let refused = [
            vec![],
            vec![(6, &[][..])],
            vec![(7, &[1u32][..])],
            vec![(6, &[1]), (8, &[1])],
            vec![(6, &[1, 2]), (7, &[VOCAB as u32])],
            vec![(6, &[1; 10]), (16, &[1])],
        ];
        for branches in refused {
            let branches: Vec<Branch<'_>> = (branches.iter())
                .map(|(start, ids)| Branch { start: *start, ids })
                .collect();
            let error = model.forward_branches(&branches, &mut cache);
            assert_eq!(error.expect_err("is refused").code(), "invalid-argument");
            assert_eq!(cache.len(), 6);
        }
    });
}

#[test]
fn target_log_probs_are_gathered_from_the_softmax() {
    pollster::block_on(async {
        let weights = weights(true);
        let model = load(&weights).await;
        let mut cache = model.new_cache(IDS.len()).expect("fits");
        let hidden = model.forward(&IDS[..10], &mut cache).expect("runs");
        let found = read_f32(model.target_log_probs(hidden, &IDS[1..]).expect("runs"))
            .await
            .expect("reads");
        let want = oracle(&weights, &IDS[..10]);
        for ((row, &target), found) in want.iter().zip(&IDS[1..]).zip(found) {
            let total: f64 = row.iter().map(|l| l.exp()).sum();
            let log_prob = row[target as usize] - total.ln();
            assert!((log_prob - f64::from(found)).abs() < 1e-5);
        }
    });
}

#[test]
fn a_refused_forward_leaves_the_cache_alone() {
    pollster::block_on(async {
        let model = load(&weights(true)).await;
        let mut cache = model.new_cache(4).expect("fits");
        model.forward(&[1, 2], &mut cache).expect("runs");
        for ids in [&[][..], &[VOCAB as u32][..], &[1, 2, 3][..]] {
            let error = model.forward(ids, &mut cache).expect_err("is refused");
            assert_eq!(error.code(), "invalid-argument");
            assert_eq!(cache.len(), 2);
        }
    });
}
