//! safetensors headers and tensors.
#![no_main]

use lexigraft_checkpoint::Format;
use lexigraft_fuzz::open_and_read;
use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use serde::de::IgnoredAny;

fuzz_target!(|file: &[u8]| {
    open_and_read(file, |format| format == Format::Safetensors);
});

// Nearly every change to the header makes its length wrong, and the file would be refused for that
// alone. Three times in four the length is put right.
fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let size = fuzzer_mutate(data, size, max_size);
    if !seed.is_multiple_of(4)
        && let Some((length, rest)) = data
            .get_mut(..size)
            .and_then(|file| file.split_first_chunk_mut::<8>())
    {
        let mut json = serde_json::Deserializer::from_slice(rest).into_iter::<IgnoredAny>();
        if matches!(json.next(), Some(Ok(_))) {
            *length = (json.byte_offset() as u64).to_le_bytes();
        }
    }
    size
});
