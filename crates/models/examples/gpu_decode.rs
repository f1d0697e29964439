//! What a forward pass costs on the wgpu device: time, dispatches, compilations, resident bytes.
//!
//! `cargo run --example gpu_decode -- model.gguf [prompt tokens] [new tokens]`

use std::ops::ControlFlow;
use std::path::Path;
use std::time::Instant;

use lexigraft_checkpoint::{Checkpoint, FileSource};
use lexigraft_kernels::gpu::{Counters, Memory, counters, memory};
use lexigraft_models::decoder::{Branch, Decoder, DecoderConfig};
use lexigraft_models::{ComputeDevice, DeviceKind};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("give a GGUF file")?;
    let mut number = |default| match arguments.next() {
        Some(text) => text.parse::<usize>(),
        None => Ok(default),
    };
    let (prompt, new) = (number(31)?, number(32)?);
    pollster::block_on(run(Path::new(&path), prompt.max(1), new.max(2)))
}

async fn run(path: &Path, prompt: usize, new: usize) -> Result<(), Box<dyn std::error::Error>> {
    let at = Instant::now();
    let device = ComputeDevice::open(DeviceKind::Wgpu).await?;
    println!("device    {}", device.adapter());
    println!("opened    {:.0} ms, self-test included", milliseconds(at));
    let checkpoint = Checkpoint::open(FileSource::open(path)?).await?;
    let config = DecoderConfig::from_checkpoint(&checkpoint, None)?;
    let (layers, vocabulary) = (config.layers, config.vocab_size as u32);
    let at = Instant::now();
    let mut file = 0;
    let progress: &mut dyn FnMut(u64, u64) -> ControlFlow<()> = &mut |_, total| {
        file = total;
        ControlFlow::Continue(())
    };
    let decoder = Decoder::load(&checkpoint, config, &device, progress).await?;
    println!("loaded    {:.0} ms", milliseconds(at));
    println!(
        "resident  {} bytes of weights, {:.3} of the {file} in the file",
        decoder.resident_bytes(),
        decoder.resident_bytes() as f64 / file as f64
    );

    let Memory { in_use, reserved } = memory(device.burn())?;
    println!("device    {in_use} bytes in use, {reserved} reserved, the rotation table included");
    let mut cache = decoder.new_cache(prompt + new)?;
    let mut ids: Vec<u32> = (0..prompt as u32)
        .map(|i| (i * 7919 + 13) % vocabulary)
        .collect();
    for pass in ["first", "second"] {
        cache.truncate(0);
        let (at, before) = (Instant::now(), counters());
        let hidden = decoder.forward(&ids, &mut cache)?;
        let next = decoder.last_likeliest(hidden).await?;
        println!(
            "prefill   {:.0} ms for {prompt} tokens, the {pass} time",
            milliseconds(at)
        );
        report(before, 1, layers);
        if pass == "second" {
            ids = next.into_iter().collect();
        }
    }
    let mut times = Vec::new();
    let (mut warm, mut held) = (counters(), memory(device.burn())?);
    for step in 0..new {
        if step == 2 {
            warm = counters();
            held = memory(device.burn())?;
        }
        let at = Instant::now();
        let hidden = decoder.forward(&ids, &mut cache)?;
        let next = decoder.last_likeliest(hidden).await?;
        ids = next.into_iter().collect();
        times.push(milliseconds(at));
    }
    let mut steady = times.split_off(2);
    steady.sort_by(f64::total_cmp);
    let median = steady.get(steady.len() / 2).copied().unwrap_or_default();
    println!(
        "decode    {median:.1} ms a token, the median of {}",
        steady.len()
    );
    report(warm, steady.len() as u64, layers);
    let now = memory(device.burn())?;
    println!(
        "          {} bytes in use, {} reserved, {} more than before these passes",
        now.in_use,
        now.reserved,
        now.reserved as i64 - held.reserved as i64
    );
    // Branches of one token each, as byte-level decoding asks for them.
    let start = cache.len().saturating_sub(1);
    for count in [1usize, 2, 4, 8] {
        let id = [ids.first().copied().unwrap_or(1)];
        let branches = vec![Branch { start, ids: &id }; count];
        let mut before = counters();
        for _ in 0..2 {
            before = counters();
            let hidden = decoder.forward_branches(&branches, &mut cache)?;
            decoder.last_likeliest(hidden).await?;
        }
        println!("{count} branches");
        report(before, 1, layers);
    }
    Ok(())
}

fn report(before: Counters, tokens: u64, layers: usize) {
    let now = counters();
    let dispatches = (now.dispatches - before.dispatches) as f64 / tokens.max(1) as f64;
    println!(
        "          {dispatches:.1} dispatches a pass, {:.2} a layer; {} compilations, {} buffers, {} \
         writes in {tokens} passes",
        dispatches / layers as f64,
        now.compilations - before.compilations,
        now.buffers - before.buffers,
        now.step_writes - before.step_writes,
    );
}

fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
}
