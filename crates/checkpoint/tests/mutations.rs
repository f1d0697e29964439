//! Files changed at random never panic, and cost little memory whatever they
//! claim. An allocator counts.

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::ops::ControlFlow;

use common::gguf::{Gguf, array, kind, string, tensor, u32_value};
use common::onnx;
use common::safetensors::entry;
use lexigraft_checkpoint::{Checkpoint, CheckpointError, MemorySource};
use proptest::prelude::*;

thread_local! {
    static LIVE: Cell<usize> = const { Cell::new(0) };
    static PEAK: Cell<usize> = const { Cell::new(0) };
}

/// Counts the bytes that this thread holds. Growing is the default of the
/// trait, a new block beside the old one, which is the worst that it can cost.
struct CountingAllocator;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let live = LIVE.get().saturating_add(layout.size());
        LIVE.set(live);
        PEAK.set(PEAK.get().max(live));
        // SAFETY: the caller keeps the contract of `GlobalAlloc::alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.set(LIVE.get().saturating_sub(layout.size()));
        // SAFETY: the pointer came from `alloc` above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

type Opened = Result<Checkpoint<MemorySource>, CheckpointError>;

/// Opens a file and checks that the peak beside the file itself stays below
/// 4 MiB and four times the file.
fn open_within_bounds(file: Vec<u8>) -> Opened {
    let bound = (4 << 20) + 4 * file.len();
    let length = file.len();
    let source = MemorySource::new(file);
    let before = LIVE.get();
    PEAK.set(before);
    let opened = pollster::block_on(Checkpoint::open(source));
    let peak = PEAK.get() - before;
    assert!(
        peak <= bound,
        "opening {length} bytes took {peak}, more than {bound}"
    );
    opened
}

/// Reads all that a file offers; errors are fine, panics are not.
fn read_everything(checkpoint: &Checkpoint<MemorySource>) {
    for info in checkpoint.tensors() {
        let read = checkpoint.read_f32(info, |_| ControlFlow::Continue(()));
        if let Ok(values) = pollster::block_on(read) {
            assert_eq!(values.len(), info.elements());
        }
    }
    for key in checkpoint.metadata().keys() {
        let _ = checkpoint.metadata().get_u64_array(key);
        let _ = checkpoint.metadata().get_f32_array(key);
    }
}

/// One change to a file.
#[derive(Debug, Clone)]
enum Change {
    Byte(usize, u8),
    Word32(usize, u32),
    Word64(usize, u64),
    Remove(usize, usize),
    Insert(usize, Vec<u8>),
    Truncate(usize),
}

fn change() -> impl Strategy<Value = Change> {
    let words = prop_oneof![
        Just(u64::MAX),
        Just(1 << 63),
        Just(1 << 61),
        Just(1 << 40),
        Just(1 << 32),
        Just(0),
        0..300u64,
        any::<u64>(),
    ];
    let at = any::<prop::sample::Index>().prop_map(|at| at.index(1 << 20));
    let at = move || at.clone();
    prop_oneof![
        4 => (at(), any::<u8>()).prop_map(|(at, byte)| Change::Byte(at, byte)),
        2 => (at(), words.clone()).prop_map(|(at, word)| Change::Word32(at, word as u32)),
        4 => (at(), words).prop_map(|(at, word)| Change::Word64(at, word)),
        1 => (at(), 1..40usize).prop_map(|(at, count)| Change::Remove(at, count)),
        1 => (at(), prop::collection::vec(any::<u8>(), 1..40))
            .prop_map(|(at, bytes)| Change::Insert(at, bytes)),
        1 => at().prop_map(Change::Truncate),
    ]
}

fn apply(file: &mut Vec<u8>, change: Change) {
    let length = file.len();
    let within = |at: usize| at % length.max(1);
    let overwrite = |file: &mut Vec<u8>, at: usize, bytes: &[u8]| {
        for (old, new) in file[at.min(length)..].iter_mut().zip(bytes) {
            *old = *new;
        }
    };
    match change {
        Change::Byte(at, byte) => overwrite(file, within(at), &[byte]),
        Change::Word32(at, word) => overwrite(file, within(at), &word.to_le_bytes()),
        Change::Word64(at, word) => overwrite(file, within(at), &word.to_le_bytes()),
        Change::Remove(at, count) => {
            let at = within(at);
            file.drain(at.min(length)..(at + count).min(length));
        }
        Change::Insert(at, bytes) => {
            let at = within(at).min(length);
            file.splice(at..at, bytes);
        }
        Change::Truncate(at) => file.truncate(within(at)),
    }
}

fn mutate(mut file: Vec<u8>, changes: Vec<Change>) {
    for change in changes {
        apply(&mut file, change);
    }
    if let Ok(checkpoint) = open_within_bounds(file) {
        read_everything(&checkpoint);
    }
}

fn config() -> ProptestConfig {
    ProptestConfig {
        cases: 4000,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn gguf_survives(changes in prop::collection::vec(change(), 1..4)) {
        mutate(common::gguf::rich().build(), changes);
    }

    #[test]
    fn safetensors_survives(changes in prop::collection::vec(change(), 1..4)) {
        mutate(common::safetensors::rich(), changes);
    }

    #[test]
    fn onnx_survives(changes in prop::collection::vec(change(), 1..4)) {
        mutate(common::onnx::rich(), changes);
    }

    #[test]
    fn noise_survives(
        magic in prop_oneof![
            Just(b"GGUF\x03\0\0\0".to_vec()),
            Just(b"\x80\0\0\0\0\0\0\0{\"".to_vec()),
            Just(b"\x08\x07\x3a\x90\x03".to_vec()),
            Just(vec![]),
        ],
        noise in prop::collection::vec(any::<u8>(), 0..400),
    ) {
        mutate([magic, noise].concat(), vec![]);
    }
}

/// Files made of what costs most memory a byte.
#[test]
fn the_most_expensive_files_stay_within_bounds() {
    let strings: Vec<u8> = string(b"").repeat(2_000_000);
    let empty_strings = Gguf::new().pair("k", array(kind::STR, 2_000_000, &strings));
    assert!(open_within_bounds(empty_strings.build()).is_ok());

    let inner = common::gguf::array_body(kind::U8, 0, &[]).repeat(1_000_000);
    let empty_arrays = Gguf::new().pair("k", array(kind::ARRAY, 1_000_000, &inner));
    assert!(open_within_bounds(empty_arrays.build()).is_ok());

    let mut pairs = Gguf::new();
    for number in 0..1u32 << 16 {
        pairs = pairs.pair(format!("{number:x}"), common::gguf::value(kind::U8, &[1]));
    }
    assert!(open_within_bounds(pairs.build()).is_ok());

    // A type of unknown length needs no data, so only the descriptions count.
    let mut tensors = Gguf::new().pair("general.alignment", u32_value(1));
    tensors.alignment = 1;
    for number in 0..1u32 << 18 {
        tensors = tensors.tensor(tensor(&format!("{number:x}"), &[], 24, vec![]));
    }
    assert!(open_within_bounds(tensors.build()).is_ok());

    let entries: Vec<String> = (0..200_000)
        .map(|number| entry(&format!("{number:x}"), "", "[]", 0, 0))
        .collect();
    let file = common::safetensors::file(&format!("{{{}}}", entries.join(",")), &[]);
    assert!(open_within_bounds(file).is_ok());

    let notes: Vec<String> = (0..16_384)
        .map(|number| format!("\"{number:x}\":\"\""))
        .collect();
    let header = format!("{{\"__metadata__\":{{{}}}}}", notes.join(","));
    let file = common::safetensors::file(&header, &[]);
    assert!(open_within_bounds(file).is_ok());

    // Initialisers and nodes of a few bytes each, as many as the limits let pass.
    let tensors: Vec<Vec<u8>> = (0..16_384)
        .map(|number| onnx::tensor(&format!("onnx::{number:x}"), &[0], 1, &[]))
        .collect();
    let nodes: Vec<Vec<u8>> = (0..16_384)
        .map(|number| onnx::node(&format!("{number:x}"), &[&format!("onnx::{number:x}")]))
        .collect();
    assert!(open_within_bounds(onnx::model(&nodes, &tensors)).is_ok());
    // Long names that many inputs could copy.
    let long = "n".repeat(65_535);
    let inputs: Vec<String> = (0..10_000)
        .map(|number| format!("onnx::{number:x}"))
        .collect();
    let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
    assert!(open_within_bounds(onnx::model(&[onnx::node(&long, &inputs)], &tensors)).is_ok());

    // A parser's error may quote what it did not expect.
    for noise in ["a", "\u{200b}", "\\n", "\\u0001"] {
        let noise = noise.repeat(10_000_000 / noise.len());
        for header in [
            format!("{{\"w\":\"{noise}\"}}"),
            format!("{{\"{noise}\":1}}"),
            format!("{{\"__metadata__\":\"{noise}\"}}"),
            format!("{{\"__metadata__\":{{\"{noise}\":1}}}}"),
            format!("{{\"w\":{{\"{noise}\":1}}}}"),
            format!("{{\"w\":{{\"dtype\":\"{noise}\"}}}}"),
            format!("{{{noise}"),
        ] {
            let file = common::safetensors::file(&header, &[]);
            let error = open_within_bounds(file).err().unwrap();
            assert!(error.to_string().len() < 2000, "{error}");
        }
    }
}
