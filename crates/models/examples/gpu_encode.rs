//! What embedding texts costs on the wgpu device.
//!
//! `cargo run --example gpu_encode -- all-minilm-l6-v2/ [tokens] [texts]`

use std::ops::ControlFlow;
use std::path::Path;
use std::time::Instant;

use lexigraft_checkpoint::{Checkpoint, FileSource};
use lexigraft_models::encoder::{Encoder, EncoderConfig};
use lexigraft_models::{ComputeDevice, DeviceKind};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("give the folder of an encoder")?;
    let mut number = |default| match arguments.next() {
        Some(text) => text.parse::<usize>(),
        None => Ok(default),
    };
    let (tokens, texts) = (number(26)?, number(9)?);
    pollster::block_on(run(Path::new(&path), tokens.max(1), texts.max(1)))
}

async fn run(path: &Path, tokens: usize, texts: usize) -> Result<(), Box<dyn std::error::Error>> {
    let device = ComputeDevice::open(DeviceKind::Wgpu).await?;
    println!("device    {}", device.adapter());
    let config = EncoderConfig::from_json(&std::fs::read(path.join("config.json"))?)?;
    let checkpoint = Checkpoint::open(FileSource::open(path.join("model.safetensors"))?).await?;
    let mut go_on = |_, _| ControlFlow::Continue(());
    let encoder = Encoder::load(&checkpoint, config, &device, &mut go_on).await?;
    let ids: Vec<u32> = (0..tokens as u32).map(|i| 1000 + i * 37 % 20_000).collect();
    let mut times = Vec::new();
    for text in 0..=texts {
        let at = Instant::now();
        encoder.embed(std::slice::from_ref(&ids)).await?;
        let spent = at.elapsed().as_secs_f64() * 1e3;
        if text == 0 {
            println!("first     {spent:.1} ms for {tokens} tokens");
        } else {
            times.push(spent);
        }
    }
    times.sort_by(f64::total_cmp);
    let median = times.get(times.len() / 2).copied().unwrap_or_default();
    println!("then      {median:.1} ms, the median of {texts}");
    Ok(())
}
