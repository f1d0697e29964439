//! What a picture file claims to hold is not allocated before it is there. An allocator looks on.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use lexigraft_vision::picture::Picture;

thread_local! {
    static LARGEST: Cell<usize> = const { Cell::new(0) };
}

/// Notes the largest block that this thread asked for.
struct NotingAllocator;

#[global_allocator]
static ALLOCATOR: NotingAllocator = NotingAllocator;

unsafe impl GlobalAlloc for NotingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = LARGEST.try_with(|largest| largest.set(largest.get().max(layout.size())));
        // SAFETY: the caller keeps the contract of `GlobalAlloc::alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the pointer came from `alloc` above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// Decodes a file of at most a hundred bytes, as the fuzzer found it; gives the largest block.
fn largest_block(file: &[u8]) -> usize {
    LARGEST.set(0);
    let _ = Picture::decode(file);
    LARGEST.get()
}

#[test]
fn a_block_of_metadata_claims_no_more_than_its_file_holds() {
    let file = include_bytes!("../../../fuzz/regressions/image/webp-long-metadata");
    let largest = largest_block(file);
    assert!(largest < 1 << 20, "{largest} bytes were asked for at once");
}

#[test]
fn a_frame_claims_no_more_than_its_screen() {
    let file = include_bytes!("../../../fuzz/regressions/image/gif-frame-beyond-screen");
    let largest = largest_block(file);
    assert!(largest < 1 << 20, "{largest} bytes were asked for at once");
}
