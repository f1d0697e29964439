use std::io::Write;
use std::path::Path;
use std::time::Instant;

use burn::tensor::{Device, Tensor};
use lexigraft_checkpoint::{Checkpoint, FileSource};
use lexigraft_transfer::hypernetwork::train::{
    frozen::{FrozenModel, piece_vocabulary}, in_two_threads, network::Network, regression, splits::Splitter,
    step::{Optimiser, rate}, store,
};
use rand::SeedableRng;

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let (model, out) = (&args[1], &args[2]);
    let (steps, batch, peak): (usize, usize, f64) =
        (args[3].parse().unwrap(), args[4].parse().unwrap(), args[5].parse().unwrap());
    let layers: usize = args[6].parse().unwrap();
    let from_model = args[7] == "lm";
    let stop_after: u64 = args[8].parse().unwrap();
    let device = Device::flex();
    let tracked = Device::flex().autodiff();
    let checkpoint =
        pollster::block_on(Checkpoint::open(FileSource::open(Path::new(model)).unwrap())).unwrap();
    let tokenizer = lexigraft_decode::tokenizer_of(&checkpoint).unwrap();
    let model = pollster::block_on(FrozenModel::load(&checkpoint, &device)).unwrap();
    let vocabulary = piece_vocabulary(&checkpoint, &tokenizer).unwrap();
    let spread = model.spread(&device);
    let mut blocks = model.blocks[..layers].to_vec();
    if !from_model {
        for b in &mut blocks {
            let random = |t: &Tensor<2>, s: f64| Tensor::random(t.dims(), burn::tensor::Distribution::Normal(0.0, s), &device);
            b.qkv = random(&b.qkv, 0.03);
            b.output = random(&b.output, 0.02);
            b.gate_up = random(&b.gate_up, 0.03);
            b.down = random(&b.down, 0.015);
            b.attention_norm = Tensor::ones(b.attention_norm.dims(), &device);
            b.feed_forward_norm = Tensor::ones(b.feed_forward_norm.dims(), &device);
        }
    }
    let bias = Tensor::zeros([1, model.sizes.hidden], &device);
    let mut network = Network::new(model.sizes, &blocks, spread, bias, &device);
    let frames = regression::frames(&model, &device);
    let tracked_frames = regression::frames(&model, &tracked);
    let held: Vec<_> = Splitter::held_out_splits(&vocabulary).into_iter().take(1200).collect();
    let splitter = Splitter::new(&vocabulary);
    let mut optimiser = Optimiser::new(network.params.len(), 0.01);
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(1);
    std::fs::create_dir_all(out).unwrap();
    let mut log = std::fs::File::options().create(true).append(true).open(format!("{out}/log.jsonl")).unwrap();
    let start = Instant::now();
    let mut mean = 0.0;
    for step in 0..steps {
        if step % 100 == 0 || step == steps - 1 {
            let a = regression::agreement(&network, &model, &frames, &held, &device);
            let line = format!("{{\"step\":{step},\"loss\":{mean:.4},\"cosine\":{:.4},\"norm\":{:.3},\"output_cosine\":{:.4},\"seconds\":{:.0}}}", a.cosine, a.norm_ratio, a.output_cosine, start.elapsed().as_secs_f64());
            println!("{line}");
            writeln!(log, "{line}").unwrap();
            store::save(&network, step, Path::new(&format!("{out}/network.safetensors"))).unwrap();
        }
        if start.elapsed().as_secs() > stop_after { break; }
        let drawn: Vec<_> = (0..batch).map(|_| splitter.draw(&mut rng)).collect();
        let (left, right) = drawn.split_at(batch / 2);
        let share = |part| regression::gradients(&network, &model, &tracked_frames, part, &tracked);
        let (a, b) = in_two_threads(|| share(left), || share(right));
        let loss = (a.0 + b.0) / batch as f64;
        mean = if step == 0 { loss } else { 0.98 * mean + 0.02 * loss };
        let gradients = a.1.into_iter().zip(b.1).map(|(a, b)| (a + b).mul_scalar(1.0 / batch as f64)).collect();
        let norm = optimiser.step(&mut network, gradients, rate(peak, step, 100, steps));
        if step < 6 { println!("step {step} loss {loss:.4} norm {norm:.3} {:.2}s", start.elapsed().as_secs_f64()); }
    }
    store::save(&network, steps, Path::new(&format!("{out}/network.safetensors"))).unwrap();
}
