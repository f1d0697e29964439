use std::collections::HashSet;
use std::io::Write;
use std::path::Path;
use std::time::Instant;
use burn::tensor::{Device, Tensor, TensorData};
use lexigraft_checkpoint::{Checkpoint, FileSource};
use lexigraft_text::Tokenizer;
use lexigraft_transfer::hypernetwork::train::{
    cache, context::{self, Objective, Source, Target, Window}, frozen::{FrozenModel, piece_vocabulary}, head::{FeatureTable, HeadPredictor}, in_two_threads,
    network::Network, regression, splits::{Split, Splitter}, step::{Optimiser, rate}, store,
};
use rand::{RngExt, SeedableRng};
fn env(name: &str, or: f64) -> f64 { std::env::var(name).ok().and_then(|x| x.parse().ok()).unwrap_or(or) }
/// trainhead MODEL TOKENIZERS names CACHE NETWORK OUT LAYERS SECONDS PEAK MIDDLE
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let (layers, seconds, peak, middle): (usize, f64, f64, usize) = (a[7].parse().unwrap(), a[8].parse().unwrap(), a[9].parse().unwrap(), a[10].parse().unwrap());
    let out = &a[6];
    std::fs::create_dir_all(out).unwrap();
    let (device, tracked) = (Device::flex(), Device::flex().autodiff());
    let c = pollster::block_on(Checkpoint::open(FileSource::open(Path::new(&a[1])).unwrap())).unwrap();
    let source = lexigraft_decode::tokenizer_of(&c).unwrap();
    let model = pollster::block_on(FrozenModel::load(&c, &device)).unwrap();
    let hidden = model.sizes.hidden;
    let vocabulary = piece_vocabulary(&c, &source).unwrap();
    let targets: Vec<Target> = a[3].split(',').map(|name| {
        let json = std::fs::read(format!("{}/{name}/tokenizer.json", a[2])).unwrap();
        Target::new(name, Tokenizer::from_json(&json).unwrap(), &vocabulary)
    }).collect();
    let mut windows: Vec<Window> = Vec::new();
    for parity in 0..2 { windows.extend(cache::read(Path::new(&format!("{}-{parity}", a[4]))).unwrap()); }
    // Windows held out of training, for the losses that are printed.
    let held_windows: Vec<Window> = windows.split_off(windows.len() - windows.len() / 12);
    println!("{} windows, {} held out, {} tokens", windows.len(), held_windows.len(), windows.iter().map(|w| w.ends.len()).sum::<usize>());
    let (mut s1, mut s2, mut n) = (vec![0f64; hidden], vec![0f64; hidden], 0f64);
    let mut mean = vec![0f64; hidden];
    for w in &windows { for (m, l) in w.middle.chunks_exact(hidden).zip(w.last.chunks_exact(hidden)).skip(2) { n += 1.0; for i in 0..hidden { let x = m[i].to_f64(); s1[i] += x; s2[i] += x * x; mean[i] += l[i].to_f64(); } } }
    let spread: Vec<f32> = (0..hidden).map(|i| ((s2[i] / n - (s1[i] / n).powi(2)).max(1e-6)).sqrt() as f32).collect();
    // The direction u of least E[(u h - 1)²]: what a bias of an output row is laid along.
    let states: Vec<f32> = windows.iter().flat_map(|w| w.last[2 * hidden..].iter().map(|x| x.to_f32())).collect();
    let rows = states.len() / hidden;
    let states = Tensor::<2>::from_data(TensorData::new(states, [rows, hidden]), &device);
    let moments = context::values(states.clone().transpose().matmul(states));
    let mut moments: Vec<f64> = moments.iter().map(|&x| f64::from(x) / rows as f64).collect();
    let trace: f64 = (0..hidden).map(|i| moments[i * hidden + i]).sum();
    for i in 0..hidden { moments[i * hidden + i] += 0.003 * trace / hidden as f64; }
    let mean: Vec<f64> = mean.iter().map(|x| x / n).collect();
    let solved = lexigraft_transfer::hypernetwork::train::ridge::solve(&mut moments, mean.clone(), hidden, 1);
    let scale: f64 = solved.iter().zip(&mean).map(|(a, b)| a * b).sum();
    let direction: Vec<f32> = solved.iter().map(|x| (x / scale) as f32).collect();
    let (mut d1, mut d2) = (0f64, 0f64);
    for w in &windows { for l in w.last.chunks_exact(hidden).skip(2) { let p: f64 = l.iter().zip(&direction).map(|(a, b)| a.to_f64() * f64::from(*b)).sum(); d1 += p; d2 += p * p; } }
    println!("bias direction: mean {:.3} sd {:.3}", d1 / n, (d2 / n - (d1 / n).powi(2)).sqrt());
    let mut network = Network::new(model.sizes, &model.blocks[..layers], model.spread(&device), Tensor::zeros([1, hidden], &device), &device);
    if a[5] != "new" { store::load(&mut network, Path::new(&a[5]), &device).unwrap(); }
    network.bias_direction = Tensor::from_data(TensorData::new(direction, [1, hidden]), &device);
    let frames = regression::frames(&model, &device);
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(11);
    // Tokens that occur, and a pool of others.
    let pool_size = env("POOL", 2500.0) as usize;
    let start = Instant::now();
    let mut tables = Vec::new();
    let mut pools = Vec::new();
    for t in &targets {
        let mut ids: HashSet<u32> = HashSet::new();
        for w in windows.iter().chain(&held_windows) { for id in t.tokenizer.encode(&w.text, false).unwrap() { if let Source::Pieces(_) = t.sources[id as usize] { ids.insert(id); } } }
        let occurring = ids.len();
        let mut pool = Vec::new();
        for _ in 0..pool_size { let id = t.new[rng.random_range(0..t.new.len())]; if ids.insert(id) { pool.push(id); } }
        let tokens: Vec<(u32, &[u32])> = ids.iter().filter_map(|&id| match &t.sources[id as usize] { Source::Pieces(p) => Some((id, p.as_slice())), _ => None }).collect();
        let table = FeatureTable::new(&network, &model, &frames, &tokens, &device);
        println!("{}: {occurring} new tokens occur, {} features {:.0}s", t.name, table.len(), start.elapsed().as_secs_f64());
        tables.push(table);
        pools.push(pool);
    }
    let splitter = Splitter::new(&vocabulary);
    let drawn: Vec<Split> = (0..env("SPLITS", 8000.0) as usize).map(|_| splitter.draw(&mut rng)).collect();
    let tokens: Vec<(u32, &[u32])> = (0u32..).zip(&drawn).map(|(i, s)| (i, s.pieces.as_slice())).collect();
    let split_table = FeatureTable::new(&network, &model, &frames, &tokens, &device);
    let held: Vec<_> = Splitter::held_out_splits(&vocabulary).into_iter().take(600).collect();
    let tokens: Vec<(u32, &[u32])> = (0u32..).zip(&held).map(|(i, s)| (i, s.pieces.as_slice())).collect();
    let held_table = FeatureTable::new(&network, &model, &frames, &tokens, &device);
    println!("splits {:.0}s", start.elapsed().as_secs_f64());
    let tracked_network = Network { params: Vec::new(), spread: network.spread.clone().autodiff(), bias_direction: network.bias_direction.clone().autodiff(), sizes: network.sizes };
    let (input_weight, output_weight, split_weight) = (env("INPUT", 1.0), env("OUTPUT", 0.3), env("SPLIT", 0.3));
    let objective = |which: usize, input_weight: f64| Objective { middle, middle_spread: Tensor::from_data(TensorData::new(spread.clone(), [1, hidden]), &tracked), negatives: 250, pool: pools[which].clone(), input_weight, output_weight };
    let objectives: Vec<_> = (0..targets.len()).map(|w| objective(w, input_weight)).collect();
    let output_only: Vec<_> = (0..targets.len()).map(|w| objective(w, 0.0)).collect();
    let every = env("EVERY", 4.0) as usize;
    let mut params = vec![network.head().clone()];
    let mut optimiser = Optimiser::new(1, 0.0);
    let mut log = std::fs::File::options().create(true).append(true).open(format!("{out}/log.jsonl")).unwrap();
    let batch = 8;
    let mut order: Vec<usize> = Vec::new();
    let (mut input, mut output, mut inputs, mut outputs) = (0.0, 0.0, 0.0f64, 0.0f64);
    let begin = Instant::now();
    let mut next_report = 0.0;
    for step in 0.. {
        let elapsed = begin.elapsed().as_secs_f64();
        let last = elapsed > seconds;
        if elapsed >= next_report || last {
            next_report = elapsed + env("REPORT", 60.0);
            let head = params[0].clone();
            let (mut hi, mut ho, mut hn) = (0.0, 0.0, 0.0);
            for (which, t) in targets.iter().enumerate() {
                let p = HeadPredictor { table: &tables[which], network: &network, head: head.clone(), device: &device };
                for group in held_windows.chunks(4).take(3) {
                    let g: Vec<&Window> = group.iter().collect();
                    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(99);
                    let mut o = objective(which, if step == 0 || last { 1.0 } else { 0.0 }); o.middle_spread = o.middle_spread.inner();
                    let (l, _) = context::loss(&p, &model, &o, (t, which), &g, &mut rng, &device).unwrap();
                    hi += l.input; ho += l.output; hn += 1.0;
                }
            }
            let ids: Vec<u32> = (0..held.len() as u32).collect();
            let rows = held_table.rows(&network, &head, &ids, &device);
            let target = regression::targets(&model, &held.iter().collect::<Vec<_>>(), &device) / network.spread.clone();
            let cos = |x: Tensor<2>| f64::from(regression::cosines(x / network.spread.clone(), target.clone()).mean().into_scalar::<f32>());
            let line = format!("{{\"step\":{step},\"seconds\":{elapsed:.0},\"input\":{input:.4},\"output\":{output:.4},\"held_input\":{:.4},\"held_output\":{:.4},\"cosine\":{:.4},\"output_cosine\":{:.4}}}", hi / hn, ho / hn, cos(rows.input), cos(rows.output));
            println!("{line}");
            writeln!(log, "{line}").unwrap();
            network.set_head(head);
            store::save(&network, step, Path::new(&format!("{out}/network.safetensors"))).unwrap();
        }
        if last { break; }
        while order.len() < batch {
            let mut next: Vec<usize> = (0..windows.len()).collect();
            for i in (1..next.len()).rev() { next.swap(i, rng.random_range(0..=i)); }
            order.extend(next);
        }
        let take: Vec<&Window> = order.drain(..batch).map(|i| &windows[i]).collect();
        let which = rng.random_range(0..targets.len());
        let with_input = step % every == 0;
        let objective = if with_input { &objectives[which] } else { &output_only[which] };
        let seeds: [u64; 2] = [rng.random(), rng.random()];
        let picks: Vec<u32> = (0..256).map(|_| rng.random_range(0..drawn.len() as u32)).collect();
        let share = |part: &[&Window], picks: &[u32], seed| {
            let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
            let head = params[0].clone().autodiff().require_grad();
            let p = HeadPredictor { table: &tables[which], network: &tracked_network, head: head.clone(), device: &tracked };
            let (losses, loss) = context::loss(&p, &model, objective, (&targets[which], which), part, &mut rng, &tracked).unwrap();
            let rows = split_table.rows(&tracked_network, &head, picks, &tracked);
            let group: Vec<&Split> = picks.iter().map(|&i| &drawn[i as usize]).collect();
            let target = regression::targets(&model, &group, &tracked);
            let split_loss = regression::row_loss(rows.input, target, &tracked_network.spread).mul_scalar(split_weight / picks.len() as f64);
            let mut found = (loss + split_loss).backward();
            (losses, head.grad_remove(&mut found).unwrap())
        };
        let ((l, lg), (r, rg)) = in_two_threads(|| share(&take[..batch / 2], &picks[..128], seeds[0]), || share(&take[batch / 2..], &picks[128..], seeds[1]));
        if with_input { inputs += 1.0; let k = (1.0 / inputs).max(0.05); input += k * ((l.input + r.input) / 2.0 - input); }
        outputs += 1.0; let k = (1.0 / outputs).max(0.02); output += k * ((l.output + r.output) / 2.0 - output);
        let lr = rate(peak, (elapsed / seconds * 10_000.0) as usize, 0, 10_000) * ((step + 1) as f64 / 20.0).min(1.0);
        let norm = optimiser.step(&mut params, vec![(lg + rg).mul_scalar(0.5)], lr);
        if step < 4 || step % 50 == 0 { println!("step {step} {} {:?} {:?} norm {norm:.3} {:.1}s", targets[which].name, l, r, begin.elapsed().as_secs_f64()); }
    }
}
