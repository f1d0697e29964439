//! What the targets share: a counting allocator, and one way to open and read a checkpoint.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::ops::ControlFlow;

use lexigraft_checkpoint::{Checkpoint, Format, MemorySource};

thread_local! {
    static LIVE: Cell<usize> = const { Cell::new(0) };
    static PEAK: Cell<usize> = const { Cell::new(0) };
}

/// Counts the bytes that this thread holds, so that a target can state a bound for them.
pub struct CountingAllocator;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

fn taken(bytes: usize) {
    // Fails only where the thread is ending, and nothing is measured there.
    let _ = LIVE.try_with(|live| {
        live.set(live.get().saturating_add(bytes));
        let _ = PEAK.try_with(|peak| peak.set(peak.get().max(live.get())));
    });
}

fn given(bytes: usize) {
    let _ = LIVE.try_with(|live| live.set(live.get().saturating_sub(bytes)));
}

unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        taken(layout.size());
        // SAFETY: the caller keeps the contract of `GlobalAlloc::alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        given(layout.size());
        // SAFETY: the pointer came from `alloc` above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// Runs `work` and fails where its peak, beside what lived before, passes `bound` bytes.
pub fn within<T>(bound: usize, work: impl FnOnce() -> T) -> T {
    let before = LIVE.get();
    PEAK.set(before);
    let result = work();
    let peak = PEAK.get().saturating_sub(before);
    assert!(peak <= bound, "{peak} bytes were held, more than {bound}");
    result
}

/// Opens a file, within the bound that `lexigraft_checkpoint` states, and reads all that it offers.
///
/// `wanted` leaves out files of another format, so that each target keeps to its own.
pub fn open_and_read(file: &[u8], wanted: fn(Format) -> bool) {
    let source = MemorySource::new(file);
    let bound = (4 << 20) + 4 * file.len();
    let opened = within(bound, || pollster::block_on(Checkpoint::open(source)));
    let checkpoint = match opened {
        Ok(checkpoint) if wanted(checkpoint.format()) => checkpoint,
        Ok(_) => return,
        Err(error) => {
            assert!(!error.code().is_empty() && error.to_string().len() < 200_000);
            return;
        }
    };
    for info in checkpoint.tensors() {
        // No range leads out of the file, decoded or not.
        assert!(info.range.start <= info.range.end && info.range.end <= file.len() as u64);
        let read = checkpoint.read_f32(info, |_| ControlFlow::Continue(()));
        if let Ok(values) = pollster::block_on(read) {
            assert_eq!(values.len(), info.elements());
        }
        assert_eq!(checkpoint.get(&info.name), Some(info));
    }
    let metadata = checkpoint.metadata();
    for key in metadata.keys() {
        let _ = metadata.get_str(key);
        let _ = metadata.get_u64(key);
        let _ = metadata.get_str_array(key);
        let _ = metadata.get_u64_array(key);
        let _ = metadata.get_f32_array(key);
    }
}
