use std::path::Path;
use lexigraft_checkpoint::{Checkpoint, FileSource};
use lexigraft_models::{ComputeDevice, DeviceKind, decoder::{Decoder, DecoderConfig}, device::read_f32};
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let threads: usize = a[2].parse().unwrap();
    let _ = lexigraft_models::threads::start(threads);
    pollster::block_on(async {
        let c = Checkpoint::open(FileSource::open(Path::new(&a[1])).unwrap()).await.unwrap();
        let d = ComputeDevice::open(DeviceKind::Cpu).await.unwrap();
        println!("{}", d.adapter());
        let m = Decoder::load(&c, DecoderConfig::from_checkpoint(&c, None).unwrap(), &d, &mut |_, _| std::ops::ControlFlow::Continue(())).await.unwrap();
        let ids: Vec<u32> = (100..228).collect();
        for _ in 0..4 {
            let t = std::time::Instant::now();
            let mut cache = m.new_cache(128).unwrap();
            let h = m.forward(&ids, &mut cache).unwrap();
            let b = t.elapsed().as_secs_f64();
            let l = read_f32(m.logits(h)).await.unwrap();
            println!("body {b:.3}s logits {:.3}s {}", t.elapsed().as_secs_f64() - b, l.len());
        }
    });
}
