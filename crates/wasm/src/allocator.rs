//! Tells an allocation that failed from whatever else traps.
//!
//! What is large is tried before it is allocated; the rest cannot be, and a failure of it ends the
//! engine. The page should then read of memory, and not of an unreachable instruction.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use wasm_bindgen::prelude::wasm_bindgen;

/// The system's allocator, which remembers a failure until it succeeds again.
struct Remembering;

#[global_allocator]
static ALLOCATOR: Remembering = Remembering;

static FAILED: AtomicUsize = AtomicUsize::new(0);

fn remember(pointer: *mut u8, bytes: usize) -> *mut u8 {
    if pointer.is_null() {
        FAILED.store(bytes, Ordering::Relaxed);
    } else if FAILED.load(Ordering::Relaxed) != 0 {
        // Whoever asked took the failure for an answer.
        FAILED.store(0, Ordering::Relaxed);
    }
    pointer
}

// SAFETY: every call goes to the system's allocator as it is.
unsafe impl GlobalAlloc for Remembering {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the contract of `GlobalAlloc::alloc`.
        remember(unsafe { System.alloc(layout) }, layout.size())
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        remember(unsafe { System.alloc_zeroed(layout) }, layout.size())
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as above.
        remember(unsafe { System.realloc(pointer, layout, size) }, size)
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// The bytes of the allocation that failed last, where none has succeeded since; else 0. It may be
/// asked of a module that trapped.
#[wasm_bindgen(js_name = failedAllocation)]
pub fn failed_allocation() -> f64 {
    FAILED.load(Ordering::Relaxed) as f64
}
