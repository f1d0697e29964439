use std::path::Path;
use burn::tensor::{Device, Tensor};
use lexigraft_checkpoint::{Checkpoint, FileSource};
use lexigraft_text::Tokenizer;
use lexigraft_transfer::hypernetwork::train::{
    context::Target, evaluate::{Table, bits_per_byte}, frozen::{FrozenModel, piece_vocabulary}, network::Network, regression, store,
};

/// evalrows MODEL TOKENIZERS_DIR NETWORK|none LAYERS names text,text
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let device = Device::flex();
    let checkpoint = pollster::block_on(Checkpoint::open(FileSource::open(Path::new(&args[1])).unwrap())).unwrap();
    let source = lexigraft_decode::tokenizer_of(&checkpoint).unwrap();
    let model = pollster::block_on(FrozenModel::load(&checkpoint, &device)).unwrap();
    let vocabulary = piece_vocabulary(&checkpoint, &source).unwrap();
    let layers: usize = args[4].parse().unwrap();
    let spread = model.spread(&device);
    let bias = Tensor::zeros([1, model.sizes.hidden], &device);
    let mut network = Network::new(model.sizes, &model.blocks[..layers], spread, bias, &device);
    if args[3] != "fvt" { store::load(&mut network, Path::new(&args[3]), &device).unwrap(); }
    let frames = regression::frames(&model, &device);
    let texts: Vec<(String, String)> = args[6].split(',').map(|p| (p.to_owned(), std::fs::read_to_string(p).unwrap())).collect();
    let original = Table::of_model(&model);
    let t = std::time::Instant::now();
    if args.get(7).is_some() {
    for (name, text) in &texts {
        let ids = source.encode(text, false).unwrap();
        let bpb = bits_per_byte(&model, &original, &ids, text.len(), &device).unwrap();
        println!("original {name} {bpb:.4} ({})", ids.len());
    } }
    for name in args[5].split(',') {
        let json = std::fs::read(format!("{}/{name}/tokenizer.json", args[2])).unwrap();
        let target = Target::new(name, Tokenizer::from_json(&json).unwrap(), &vocabulary);
        let table = if args[3] == "fvt" { Table::means(&model, &target) } else { Table::predict(&network, &model, &frames, &target, &device) };
        for (file, text) in &texts {
            let ids = target.tokenizer.encode(text, false).unwrap();
            let bpb = bits_per_byte(&model, &table, &ids, text.len(), &device).unwrap();
            println!("{name} {file} {bpb:.4} ({}) new {} {:.0}s", ids.len(), target.new.len(), t.elapsed().as_secs_f64());
        }
    }
}
