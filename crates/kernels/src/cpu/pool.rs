//! Threads that share the parts of one kernel.
//!
//! A decode step has some hundred kernels of a few dozen microseconds each, so parts are handed
//! out through one atomic word, and a helper that runs out of work watches that word for a while
//! before it goes to sleep. There is one pool a process; without helpers everything runs where it
//! is called, and nothing else changes: a part's result does not depend on who computes it.
#![allow(unsafe_code)]

use std::marker::PhantomData;
use std::ops::Range;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, PoisonError, TryLockError};

/// What is being run: a generation, the number of parts, and the next part to be taken, so that
/// taking a part is one exchange that cannot mistake one job for another.
static STATE: AtomicU64 = AtomicU64::new(0);
/// Parts of the current job that are done.
static DONE: AtomicUsize = AtomicUsize::new(0);
/// The current job, valid while a part of it is taken and not done.
static JOB: AtomicPtr<Job<'static>> = AtomicPtr::new(ptr::null_mut());
/// Held by the thread that has a job run.
static OWNER: Mutex<()> = Mutex::new(());
static HELPERS: AtomicUsize = AtomicUsize::new(0);
/// Helpers that are asleep or about to be.
static SLEEPERS: AtomicUsize = AtomicUsize::new(0);
static SLEEP: Mutex<()> = Mutex::new(());
static WAKE: Condvar = Condvar::new();

const PART_BITS: u32 = 16;
const PART_MASK: u64 = (1 << PART_BITS) - 1;
/// Looks at the state before going to sleep: some 50 microseconds.
const PATIENCE: u32 = 4000;

type Job<'a> = &'a (dyn Fn(usize) + Sync + 'a);

/// Threads that run kernels: the calling one and the helpers.
pub fn threads() -> usize {
    HELPERS.load(Ordering::Relaxed) + 1
}

/// Starts threads until [`threads`] is `count`; more than there are stay.
///
/// # Errors
/// The operating system's, when it gives no thread. In WebAssembly it gives none: there a worker
/// of the page calls [`help`].
pub fn start(count: usize) -> std::io::Result<()> {
    for index in threads()..count {
        std::thread::Builder::new()
            .name(format!("lexigraft-{index}"))
            .spawn(|| help())?;
        HELPERS.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

/// Counts one more helper, which is about to call [`help`].
pub fn expect_helper() {
    HELPERS.fetch_add(1, Ordering::Relaxed);
}

/// Runs parts of other threads' kernels, for ever.
pub fn help() -> ! {
    let mut idle = 0;
    loop {
        match take_part() {
            Some(part) => {
                run_part(part);
                idle = 0;
            }
            None if idle < PATIENCE => {
                idle += 1;
                std::hint::spin_loop();
            }
            None => {
                sleep();
                idle = 0;
            }
        }
    }
}

/// Calls `job` with each of `0..parts`, on any thread, and returns when all are done.
///
/// # Panics
/// In a build that unwinds, a job that panics on a helper leaves the caller waiting: jobs must not
/// panic.
pub(crate) fn run(parts: usize, job: Job<'_>) {
    let inline = || (0..parts).for_each(job);
    if parts < 2 || threads() == 1 || parts as u64 > PART_MASK {
        return inline();
    }
    let _owner = match OWNER.try_lock() {
        Ok(owner) => owner,
        Err(TryLockError::Poisoned(owner)) => owner.into_inner(),
        // Another thread's kernels have the helpers, or this is a part of a job itself.
        Err(TryLockError::WouldBlock) => return inline(),
    };
    let job: *const Job<'_> = &raw const job;
    DONE.store(0, Ordering::Relaxed);
    JOB.store(job.cast_mut().cast(), Ordering::Relaxed);
    let generation = (STATE.load(Ordering::Relaxed) >> (2 * PART_BITS)).wrapping_add(1);
    // What comes before is seen by whoever takes a part.
    STATE.store(
        generation << (2 * PART_BITS) | (parts as u64) << PART_BITS,
        Ordering::SeqCst,
    );
    if SLEEPERS.load(Ordering::SeqCst) > 0 {
        drop(SLEEP.lock().unwrap_or_else(PoisonError::into_inner));
        WAKE.notify_all();
    }
    while let Some(part) = take_part() {
        run_part(part);
    }
    while DONE.load(Ordering::Acquire) < parts {
        std::hint::spin_loop();
    }
}

fn take_part() -> Option<usize> {
    let mut state = STATE.load(Ordering::Acquire);
    loop {
        let (next, parts) = (state & PART_MASK, state >> PART_BITS & PART_MASK);
        if next == parts {
            return None;
        }
        match STATE.compare_exchange_weak(state, state + 1, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => return Some(next as usize),
            Err(now) => state = now,
        }
    }
}

fn run_part(part: usize) {
    let job = JOB.load(Ordering::Relaxed);
    // SAFETY: this thread has taken a part of the job and not counted it done. `run` has put the
    // job there before the part could be taken, and does not return before all parts are done.
    let job = unsafe { *job };
    job(part);
    DONE.fetch_add(1, Ordering::Release);
}

fn sleep() {
    SLEEPERS.fetch_add(1, Ordering::SeqCst);
    let mut guard = SLEEP.lock().unwrap_or_else(PoisonError::into_inner);
    // A job that was published before this thread was counted has sent no signal.
    loop {
        let state = STATE.load(Ordering::SeqCst);
        if state & PART_MASK != state >> PART_BITS & PART_MASK {
            break;
        }
        guard = WAKE.wait(guard).unwrap_or_else(PoisonError::into_inner);
    }
    SLEEPERS.fetch_sub(1, Ordering::SeqCst);
}

/// Into how many parts `work` multiplications and additions are worth dividing.
///
/// A part is some ten microseconds at least; there are more parts than threads, since a helper
/// may come late.
pub(crate) fn parts(work: usize) -> usize {
    const SMALLEST: usize = 65_536;
    const EACH: usize = 3;
    match threads() {
        1 => 1,
        threads => (work / SMALLEST).clamp(1, threads * EACH),
    }
}

/// `0..count` in `parts` runs of about the same length.
pub(crate) fn share(count: usize, parts: usize, part: usize) -> Range<usize> {
    count * part / parts..count * (part + 1) / parts
}

/// Calls `job` with runs of whole rows of `out`, each `width` long, and the index of the first row
/// of the run, on as many threads as `work` multiplications an element are worth.
pub(crate) fn rows(
    out: &mut [f32],
    width: usize,
    work: usize,
    job: impl Fn(usize, &mut [f32]) + Sync,
) {
    let count = out.len() / width.max(1);
    let parts = parts(out.len().saturating_mul(work)).min(count);
    let out = Disjoint::new(out);
    run(parts, &|part| {
        let Range { start, end } = share(count, parts, part);
        // SAFETY: the shares of rows do not overlap.
        if let Some(rows) = unsafe { out.get(start * width..end * width) } {
            job(start, rows);
        }
    });
}

/// A slice of which the parts of a job write different elements.
pub(crate) struct Disjoint<'a> {
    start: *mut f32,
    len: usize,
    slice: PhantomData<&'a mut [f32]>,
}

// SAFETY: it stands for an exclusive borrow, which may be used from any thread; that no two
// threads use the same elements is what callers of `get` promise.
unsafe impl Sync for Disjoint<'_> {}

impl<'a> Disjoint<'a> {
    pub fn new(slice: &'a mut [f32]) -> Self {
        Self {
            start: slice.as_mut_ptr(),
            len: slice.len(),
            slice: PhantomData,
        }
    }

    /// Elements `range`; `None` when they are not within the slice.
    ///
    /// # Safety
    /// While the result lives, no other call may have given any of the same elements.
    #[allow(clippy::mut_from_ref, reason = "that is its purpose")]
    #[inline(always)]
    pub unsafe fn get(&self, range: Range<usize>) -> Option<&mut [f32]> {
        if range.start > range.end || range.end > self.len {
            return None;
        }
        // SAFETY: the range lies within the slice, which is borrowed exclusively for 'a, and the
        // caller promises that nobody else has these elements.
        Some(unsafe {
            std::slice::from_raw_parts_mut(self.start.add(range.start), range.end - range.start)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU32;

    #[test]
    fn every_part_runs_once_whoever_calls() {
        start(3).unwrap();
        assert!(threads() >= 3);
        // Two callers at once: one has the helpers, the other works alone.
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    for round in 0..3000 {
                        let parts = round % 9;
                        let counts: Vec<AtomicU32> =
                            (0..parts).map(|_| AtomicU32::new(0)).collect();
                        run(parts, &|part| {
                            counts[part].fetch_add(1, Ordering::Relaxed);
                        });
                        assert!(
                            counts
                                .iter()
                                .all(|count| count.load(Ordering::Relaxed) == 1)
                        );
                        if round % 500 == 0 {
                            // Long enough for the helpers to fall asleep.
                            std::thread::sleep(std::time::Duration::from_millis(3));
                        }
                    }
                });
            }
        });
    }

    #[test]
    fn a_job_within_a_job_runs() {
        start(2).unwrap();
        let count = AtomicU32::new(0);
        run(4, &|_| {
            run(4, &|_| {
                count.fetch_add(1, Ordering::Relaxed);
            });
        });
        assert_eq!(count.load(Ordering::Relaxed), 16);
    }

    #[test]
    fn shares_cover_everything_once() {
        for (count, parts) in [(0, 3), (1, 3), (7, 2), (100, 7)] {
            let all: Vec<usize> = (0..parts)
                .flat_map(|part| share(count, parts, part))
                .collect();
            assert_eq!(all, (0..count).collect::<Vec<_>>());
        }
    }
}
