//! Whether memory can be had, found out before it is needed.
//!
//! In WebAssembly an allocation that fails ends the whole engine, with all that it holds. What is
//! large is therefore tried first: the same amount in pieces of the same size, given back at once.
//! Pages that nobody writes to cost nothing.

/// Left for what is not counted: activations, logits, texts.
const KEPT: u64 = 16 << 20;

/// Smaller pieces would only make the trial long.
const SMALLEST: u64 = 1 << 20;

/// Whether `total` bytes can be had now, in allocations of up to `largest`, beside all that is held.
pub(crate) fn has_room(largest: u64, total: u64) -> bool {
    let piece = largest.max(SMALLEST);
    let whole = total / piece;
    let rest = [total % piece, KEPT];
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_is_had_and_what_no_memory_holds_is_not() {
        assert!(has_room(1 << 20, 0));
        assert!(has_room(0, 5 << 20));
        assert!(has_room(3 << 20, 10 << 20));
        assert!(!has_room(u64::MAX, u64::MAX));
        assert!(!has_room(1 << 62, 1 << 62));
        assert!(!has_room(1 << 20, u64::MAX));
    }
}
