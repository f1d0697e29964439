use std::path::Path;
use burn::tensor::{Device, Tensor};
use lexigraft_checkpoint::{Checkpoint, FileSource};
use lexigraft_transfer::hypernetwork::train::{frozen::{FrozenModel, piece_vocabulary}, network::Network, regression, ridge, splits::Splitter, store};
use rand::SeedableRng;
/// ridge MODEL COUNT STRENGTH OUT layers...
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let device = Device::flex();
    let c = pollster::block_on(Checkpoint::open(FileSource::open(Path::new(&a[1])).unwrap())).unwrap();
    let source = lexigraft_decode::tokenizer_of(&c).unwrap();
    let model = pollster::block_on(FrozenModel::load(&c, &device)).unwrap();
    let vocabulary = piece_vocabulary(&c, &source).unwrap();
    let frames = regression::frames(&model, &device);
    let held: Vec<_> = Splitter::held_out_splits(&vocabulary);
    let splitter = Splitter::new(&vocabulary);
    let count: usize = a[2].parse().unwrap();
    for layers in &a[5..] {
        let layers: usize = layers.parse().unwrap();
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(1);
        let drawn: Vec<_> = (0..count).map(|_| splitter.draw(&mut rng)).collect();
        let t = std::time::Instant::now();
        let mut network = Network::new(model.sizes, &model.blocks[..layers], model.spread(&device), Tensor::zeros([1, model.sizes.hidden], &device), &device);
        let before = regression::agreement(&network, &model, &frames, &held, &device);
        for s in a[3].split(',') {
            ridge::fit(&mut network, &model, &frames, &drawn, s.parse().unwrap(), &device);
            let after = regression::agreement(&network, &model, &frames, &held, &device);
            println!("layers {layers} ridge {s}: {before:?} -> {after:?} {:.0}s", t.elapsed().as_secs_f64());
        }
        store::save(&network, 0, Path::new(&format!("{}-{layers}.safetensors", a[4]))).unwrap();
    }
}
