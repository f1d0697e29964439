//! Whether memory can be had, found out before it is needed.
//!
//! In WebAssembly an allocation that fails ends the whole engine, with all that it holds. What is
//! large is therefore tried first: the same amount in pieces of the same size, given back at once.
//! Pages that nobody writes to cost nothing.

/// Left for what is not counted: activations, logits, texts.
const KEPT: u64 = 16 << 20;

/// From here on the end of a 32-bit memory is near enough to leave something for the rest. Before, a
/// trial for more than what is needed would only make the memory larger, which never shrinks.
const NEAR_THE_END: u64 = 2 << 30;

/// Smaller pieces would only make the trial long.
const SMALLEST: u64 = 1 << 20;

/// Whether `total` bytes can be had now, in allocations of up to `largest`, beside all that is held
/// and, towards the end of memory, with `spare` left.
pub(crate) fn has_room(largest: u64, total: u64, spare: u64) -> bool {
    let piece = largest.max(SMALLEST);
    let whole = total / piece;
    let kept = match grown().saturating_add(total) {
        ..NEAR_THE_END => 0,
        _ => spare.saturating_add(KEPT),
    };
    let rest = [total % piece, kept];
    let sizes = (0..whole).map(|_| piece).chain(rest);
    let mut held: Vec<Vec<u8>> = Vec::new();
    let count = usize::try_from(whole).unwrap_or(usize::MAX);
    if held.try_reserve_exact(count.saturating_add(2)).is_err() {
        return false;
    }
    for size in sizes {
        let mut memory: Vec<u8> = Vec::new();
        let Ok(size) = usize::try_from(size) else {
            return false;
        };
        if memory.try_reserve_exact(size).is_err() {
            return false;
        }
        // Else the compiler may leave out an allocation that nobody uses.
        held.push(std::hint::black_box(memory));
    }
    true
}

/// The size of linear memory.
fn grown() -> u64 {
    #[cfg(target_arch = "wasm32")]
    return (core::arch::wasm32::memory_size(0) as u64) << 16;
    #[cfg(not(target_arch = "wasm32"))]
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_is_had_and_what_no_memory_holds_is_not() {
        assert!(has_room(1 << 20, 0, 0));
        assert!(has_room(0, 5 << 20, 0));
        assert!(has_room(3 << 20, 10 << 20, 0));
        assert!(!has_room(u64::MAX, u64::MAX, 0));
        assert!(!has_room(1 << 62, 1 << 62, 0));
        assert!(!has_room(1 << 20, u64::MAX, 0));
    }
}
