use std::path::Path;
use burn::tensor::{Device, Tensor};
use lexigraft_checkpoint::{Checkpoint, FileSource};
use lexigraft_text::Tokenizer;
use lexigraft_transfer::hypernetwork::train::{context::{Source, Target}, evaluate::{Table, bits_per_byte}, frozen::{FrozenModel, piece_vocabulary}, network::Network, regression, store};
/// combos MODEL TOKENIZER_JSON NETWORK LAYERS text,text
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let device = Device::flex();
    let checkpoint = pollster::block_on(Checkpoint::open(FileSource::open(Path::new(&args[1])).unwrap())).unwrap();
    let source = lexigraft_decode::tokenizer_of(&checkpoint).unwrap();
    let model = pollster::block_on(FrozenModel::load(&checkpoint, &device)).unwrap();
    let d = model.sizes.hidden;
    let vocabulary = piece_vocabulary(&checkpoint, &source).unwrap();
    let layers: usize = args[4].parse().unwrap();
    let mut network = Network::new(model.sizes, &model.blocks[..layers], model.spread(&device), Tensor::zeros([1, d], &device), &device);
    store::load(&mut network, Path::new(&args[3]), &device).unwrap();
    let frames = regression::frames(&model, &device);
    let target = Target::new("t", Tokenizer::from_json(&std::fs::read(&args[2]).unwrap()).unwrap(), &vocabulary);
    let texts: Vec<String> = args[5].split(',').map(|p| std::fs::read_to_string(p).unwrap().chars().take(1300).collect()).collect();
    let fvt = Table::means(&model, &target);
    let hyper = Table::predict(&network, &model, &frames, &target, &device);
    let mix = |a: &[f32], b: &[f32], s: f32| -> Vec<f32> { a.iter().zip(b).map(|(a, b)| a * (1.0 - s) + b * s).collect() };
    let mut first = fvt.output.clone();
    for (row, s) in first.chunks_exact_mut(d).zip(&target.sources) { if let Source::Pieces(p) = s { row.copy_from_slice(model.row(p[0])); } }
    let cases: Vec<(&str, Vec<f32>, Vec<f32>)> = vec![
        ("fvt/fvt", fvt.input.clone(), fvt.output.clone()),
        ("hyper/hyper", hyper.input.clone(), hyper.output.clone()),
        ("hyper/fvt", hyper.input.clone(), fvt.output.clone()),
        ("fvt/hyper", fvt.input.clone(), hyper.output.clone()),
        ("hyper/hyper+first.3", hyper.input.clone(), mix(&hyper.output, &first, 0.3)),
    ];
    for (name, input, output) in cases {
        let table = Table { input, output };
        let r: Vec<f64> = texts.iter().map(|t| bits_per_byte(&model, &table, &target.tokenizer.encode(t, false).unwrap(), t.len(), &device).unwrap()).collect();
        println!("{name} {r:.4?}");
    }
}
