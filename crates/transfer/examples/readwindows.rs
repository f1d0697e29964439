use std::path::Path;
use std::time::Instant;
use burn::tensor::{Device, Tensor, TensorData};
use lexigraft_checkpoint::{Checkpoint, FileSource};
use lexigraft_text::Tokenizer;
use lexigraft_transfer::hypernetwork::train::{cache, context::{self, Target}, frozen::{FrozenModel, piece_vocabulary}, in_two_threads};
use rand::{RngExt, SeedableRng};
/// readwindows MODEL TOKENIZERS names OUT WINDOWS MIDDLE texts:share
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let (wanted, middle): (usize, usize) = (a[5].parse().unwrap(), a[6].parse().unwrap());
    let device = Device::flex();
    let c = pollster::block_on(Checkpoint::open(FileSource::open(Path::new(&a[1])).unwrap())).unwrap();
    let source = lexigraft_decode::tokenizer_of(&c).unwrap();
    let model = pollster::block_on(FrozenModel::load(&c, &device)).unwrap();
    let hidden = model.sizes.hidden;
    let vocabulary = piece_vocabulary(&c, &source).unwrap();
    let targets: Vec<Target> = a[3].split(',').map(|name| {
        let json = std::fs::read(format!("{}/{name}/tokenizer.json", a[2])).unwrap();
        Target::new(name, Tokenizer::from_json(&json).unwrap(), &vocabulary)
    }).collect();
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(5);
    let mut chosen = Vec::new();
    for part in a[7].split(',') {
        let (path, share) = part.split_once(':').unwrap();
        let text = std::fs::read_to_string(path).unwrap();
        let count = (wanted as f64 * share.parse::<f64>().unwrap()) as usize;
        let text: String = text.chars().take(count * 700).collect();
        let mut found = context::windows(&source, &text, 128).unwrap();
        for i in (1..found.len()).rev() { found.swap(i, rng.random_range(0..=i)); }
        found.truncate(count);
        chosen.extend(found);
    }
    for i in (1..chosen.len()).rev() { chosen.swap(i, rng.random_range(0..=i)); }
    let head = Tensor::<2>::from_data(TensorData::new(model.rows.to_vec(), [model.vocab, hidden]), &device).transpose();
    let masks: Vec<Tensor<2>> = targets.iter().map(|t| {
        let m: Vec<f32> = t.shared(model.vocab).iter().map(|&x| if x { 1.0 } else { 0.0 }).collect();
        Tensor::from_data(TensorData::new(m, [model.vocab, 1]), &device)
    }).collect();
    let start = Instant::now();
    let batches: Vec<_> = chosen.chunks(4).collect();
    let run = |parity: usize| {
        let mut file = std::fs::File::create(format!("{}-{parity}", a[4])).unwrap();
        for (i, b) in batches.iter().skip(parity).step_by(2).enumerate() {
            let windows = context::read(&model, &source, b, middle, &head, &masks, &device);
            cache::append(&mut file, &windows).unwrap();
            println!("{parity}: {} of {} {:.0}s", i + 1, batches.len() / 2, start.elapsed().as_secs_f64());
        }
    };
    in_two_threads(|| run(0), || run(1));
}
