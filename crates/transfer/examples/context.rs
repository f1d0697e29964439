use std::io::Write;
use std::path::Path;
use std::time::Instant;

use burn::tensor::{Device, Tensor, TensorData};
use lexigraft_checkpoint::{Checkpoint, FileSource};
use lexigraft_text::Tokenizer;
use lexigraft_transfer::hypernetwork::train::{
    context::{self, Objective, Target, Window}, frozen::{FrozenModel, piece_vocabulary}, in_two_threads, network::Network, regression, splits::Splitter,
    step::{Optimiser, rate}, store,
};
use rand::{RngExt, SeedableRng};

/// context MODEL TOKENIZERS names NETWORK OUT LAYERS STEPS PEAK WINDOWS MIDDLE SECONDS texts:share,...
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let (out, layers, steps, peak): (&String, usize, usize, f64) = (&a[5], a[6].parse().unwrap(), a[7].parse().unwrap(), a[8].parse().unwrap());
    let (wanted, middle, seconds): (usize, usize, u64) = (a[9].parse().unwrap(), a[10].parse().unwrap(), a[11].parse().unwrap());
    let batch = 8;
    std::fs::create_dir_all(out).unwrap();
    let device = Device::flex();
    let tracked = Device::flex().autodiff();
    let checkpoint = pollster::block_on(Checkpoint::open(FileSource::open(Path::new(&a[1])).unwrap())).unwrap();
    let source = lexigraft_decode::tokenizer_of(&checkpoint).unwrap();
    let model = pollster::block_on(FrozenModel::load(&checkpoint, &device)).unwrap();
    let hidden = model.sizes.hidden;
    let vocabulary = piece_vocabulary(&checkpoint, &source).unwrap();
    let targets: Vec<Target> = a[3].split(',').map(|name| {
        let json = std::fs::read(format!("{}/{name}/tokenizer.json", a[2])).unwrap();
        Target::new(name, Tokenizer::from_json(&json).unwrap(), &vocabulary)
    }).collect();
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(3);
    // Windows of each text by its share.
    let mut chosen = Vec::new();
    for part in a[12].split(',') {
        let (path, share) = part.split_once(':').unwrap();
        let text = std::fs::read_to_string(path).unwrap();
        let share: f64 = share.parse().unwrap();
        let count = (wanted as f64 * share) as usize;
        let text: String = text.chars().take(count * 700).collect();
        let mut found = context::windows(&source, &text, 128).unwrap();
        for i in (1..found.len()).rev() { found.swap(i, rng.random_range(0..=i)); }
        found.truncate(count);
        println!("{path}: {} windows", found.len());
        chosen.extend(found);
    }
    for i in (1..chosen.len()).rev() { chosen.swap(i, rng.random_range(0..=i)); }
    // The head and masks of the shared tokens.
    let head = Tensor::<2>::from_data(TensorData::new(model.rows.to_vec(), [model.vocab, hidden]), &device).transpose();
    let masks: Vec<Tensor<2>> = targets.iter().map(|t| {
        let m: Vec<f32> = t.shared(model.vocab).iter().map(|&x| if x { 1.0 } else { 0.0 }).collect();
        Tensor::from_data(TensorData::new(m, [model.vocab, 1]), &device)
    }).collect();
    let start = Instant::now();
    let cache_seconds: u64 = std::env::var("CACHE_SECONDS").ok().and_then(|x| x.parse().ok()).unwrap_or(600);
    let batches: Vec<_> = chosen.chunks(4).collect();
    let read = |parity: usize| {
        let mut all = Vec::new();
        for (i, b) in batches.iter().skip(parity).step_by(2).enumerate() {
            if start.elapsed().as_secs() > cache_seconds { break; }
            all.extend(context::read(&model, &source, b, middle, &head, &masks, &device));
            if i % 20 == 0 { println!("read {} of {} {:.0}s", all.len(), chosen.len() / 2, start.elapsed().as_secs_f64()); }
        }
        all
    };
    let (mut windows, more): (Vec<Window>, _) = in_two_threads(|| read(0), || read(1));
    windows.extend(more);
    let tokens: usize = windows.iter().map(|w| w.ends.len()).sum();
    println!("cached {} windows, {tokens} tokens in {:.0}s", windows.len(), start.elapsed().as_secs_f64());
    // Spread of the middle states without first positions; mean of the last ones.
    let (mut s1, mut s2, mut mean, mut n) = (vec![0f64; hidden], vec![0f64; hidden], vec![0f64; hidden], 0f64);
    for w in &windows {
        for (m, l) in w.middle.chunks_exact(hidden).zip(w.last.chunks_exact(hidden)).skip(2) {
            n += 1.0;
            for i in 0..hidden { let x = m[i].to_f64(); s1[i] += x; s2[i] += x * x; mean[i] += l[i].to_f64(); }
        }
    }
    let spread: Vec<f32> = (0..hidden).map(|i| ((s2[i] / n - (s1[i] / n).powi(2)).max(1e-6)).sqrt() as f32).collect();
    let mean: Vec<f64> = mean.iter().map(|x| x / n).collect();
    let square: f64 = mean.iter().map(|x| x * x).sum();
    let direction: Vec<f32> = mean.iter().map(|x| (x / square) as f32).collect();
    let (mut d1, mut d2) = (0f64, 0f64);
    for w in &windows { for l in w.last.chunks_exact(hidden).skip(2) { let p: f64 = l.iter().zip(&direction).map(|(a, b)| a.to_f64() * f64::from(*b)).sum(); d1 += p; d2 += p * p; } }
    println!("bias direction: mean {:.3} sd {:.3}", d1 / n, (d2 / n - (d1 / n).powi(2)).sqrt());
    let mut network = Network::new(model.sizes, &model.blocks[..layers], model.spread(&device), Tensor::zeros([1, hidden], &device), &device);
    if a[4] != "new" { println!("from step {}", store::load(&mut network, Path::new(&a[4]), &device).unwrap()); }
    network.bias_direction = Tensor::from_data(TensorData::new(direction, [1, hidden]), &device);
    let objective = Objective {
        middle, middle_spread: Tensor::from_data(TensorData::new(spread, [1, hidden]), &device), negatives: 160, input_weight: 1.0, output_weight: std::env::var("OUTPUT_WEIGHT").ok().and_then(|x| x.parse().ok()).unwrap_or(0.3),
    };
    let plain_frames = regression::frames(&model, &device);
    let frames = regression::frames(&model, &tracked);
    let held: Vec<_> = Splitter::held_out_splits(&vocabulary).into_iter().take(600).collect();
    let splitter = Splitter::new(&vocabulary);
    let extra: usize = std::env::var("SPLITS").ok().and_then(|x| x.parse().ok()).unwrap_or(0);
    let mut optimiser = Optimiser::new(network.params.len(), 0.01);
    let mut log = std::fs::File::options().create(true).append(true).open(format!("{out}/log.jsonl")).unwrap();
    let mut order: Vec<usize> = Vec::new();
    let (mut input, mut output) = (0.0, 0.0);
    let train_start = Instant::now();
    // The rate follows the clock, so that a busy machine gets its whole schedule.
    for step in 0..steps {
        let elapsed = train_start.elapsed().as_secs_f64();
        if elapsed > seconds as f64 { break; }
        if step % 50 == 0 {
            let g = regression::agreement(&network, &model, &plain_frames, &held, &device);
            let line = format!("{{\"step\":{step},\"input\":{input:.4},\"output\":{output:.4},\"cosine\":{:.4},\"norm\":{:.3},\"output_cosine\":{:.4},\"seconds\":{elapsed:.0}}}", g.cosine, g.norm_ratio, g.output_cosine);
            println!("{line}");
            writeln!(log, "{line}").unwrap();
            store::save(&network, step, Path::new(&format!("{out}/network.safetensors"))).unwrap();
        }
        while order.len() < batch {
            let mut next: Vec<usize> = (0..windows.len()).collect();
            for i in (1..next.len()).rev() { next.swap(i, rng.random_range(0..=i)); }
            order.extend(next);
        }
        let take: Vec<&Window> = order.drain(..batch).map(|i| &windows[i]).collect();
        let which = rng.random_range(0..targets.len());
        let seeds: [u64; 2] = [rng.random(), rng.random()];
        let drawn: Vec<_> = (0..extra).map(|_| splitter.draw(&mut rng)).collect();
        let share = |part: &[&Window], splits: &[_], seed| {
            let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
            let (losses, mut gradients) = context::gradients(&network, &model, &frames, &objective, (&targets[which], which), part, &mut rng, &tracked).unwrap();
            if !splits.is_empty() {
                let (_, more) = regression::gradients(&network, &model, &frames, splits, &tracked);
                let scale = 0.3 / splits.len() as f64;
                gradients = gradients.into_iter().zip(more).map(|(a, b)| a + b.mul_scalar(scale)).collect();
            }
            (losses, gradients)
        };
        let ((l, lg), (r, rg)) = in_two_threads(|| share(&take[..batch / 2], &drawn[..extra / 2], seeds[0]), || share(&take[batch / 2..], &drawn[extra / 2..], seeds[1]));
        let now = ((l.input + r.input) / 2.0, (l.output + r.output) / 2.0);
        let keep = if step == 0 { 0.0 } else { 0.97 };
        (input, output) = (keep * input + (1.0 - keep) * now.0, keep * output + (1.0 - keep) * now.1);
        let gradients = lg.into_iter().zip(rg).map(|(a, b)| (a + b).mul_scalar(0.5)).collect();
        let virtual_step = (elapsed / seconds as f64 * 10_000.0) as usize;
        let lr = rate(peak, virtual_step, 0, 10_000) * ((step + 1) as f64 / 30.0).min(1.0);
        let norm = optimiser.step(&mut network, gradients, lr);
        if step < 8 || step % 10 == 0 { println!("step {step} {} input {:.4} output {:.4} norm {norm:.3} {:.1}s", targets[which].name, now.0, now.1, train_start.elapsed().as_secs_f64()); }
    }
    store::save(&network, steps, Path::new(&format!("{out}/network.safetensors"))).unwrap();
}
