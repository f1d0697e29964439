//! GGUF headers and tensors.
#![no_main]

use lexigraft_checkpoint::Format;
use lexigraft_fuzz::open_and_read;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|file: &[u8]| {
    open_and_read(file, |format| matches!(format, Format::Gguf { .. }));
});
