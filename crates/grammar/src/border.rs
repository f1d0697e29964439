//! The WebAssembly module's surface: plain functions of numbers, and texts through one buffer.
//!
//! No wasm-bindgen: its JavaScript makes one instance of a module and keeps it. This module imports
//! nothing, so that the package makes a fresh instance of it for each constraint, with a memory that is
//! gone with it; one that trapped over a hostile grammar takes nothing else down.

use std::cell::RefCell;

use crate::{ByteGrammar, GrammarError};

#[derive(Default)]
struct State {
    /// What JavaScript writes for the next call, or reads after the last one.
    buffer: Vec<u8>,
    grammars: Vec<Option<ByteGrammar>>,
}

thread_local! {
    static STATE: RefCell<State> = RefCell::default();
}

fn with<T>(work: impl FnOnce(&mut State) -> T) -> T {
    STATE.with_borrow_mut(work)
}

impl State {
    fn add(&mut self, grammar: ByteGrammar) -> i32 {
        self.grammars.push(Some(grammar));
        i32::try_from(self.grammars.len() - 1).unwrap_or(i32::MAX)
    }

    fn grammar(&mut self, handle: i32) -> Option<&mut ByteGrammar> {
        self.grammars
            .get_mut(usize::try_from(handle).ok()?)?
            .as_mut()
    }
}

/// Makes room for `length` bytes of text, and says where they belong.
#[unsafe(no_mangle)]
pub extern "C" fn write_text(length: usize) -> *mut u8 {
    with(|state| {
        state.buffer.clear();
        state.buffer.resize(length, 0);
        state.buffer.as_mut_ptr()
    })
}

/// Where the text of the last call begins.
#[unsafe(no_mangle)]
pub extern "C" fn text_start() -> *const u8 {
    with(|state| state.buffer.as_ptr())
}

/// How many bytes it has.
#[unsafe(no_mangle)]
pub extern "C" fn text_length() -> usize {
    with(|state| state.buffer.len())
}

/// Compiles the text that was written, a JSON schema or a Lark grammar. Gives its handle; -1 for
/// `bad-constraint` and -2 for `contradictory-constraints`, with the message as text.
#[unsafe(no_mangle)]
pub extern "C" fn compile(schema: bool) -> i32 {
    with(|state| {
        let text = std::mem::take(&mut state.buffer);
        let text = String::from_utf8_lossy(&text);
        let made = if schema {
            ByteGrammar::json_schema(&text)
        } else {
            ByteGrammar::lark(&text)
        };
        match made {
            Ok(grammar) => state.add(grammar),
            Err(error) => {
                state.buffer = error.to_string().into_bytes();
                match error {
                    GrammarError::Bad(_) => -1,
                    GrammarError::Contradictory(_) => -2,
                }
            }
        }
    })
}

/// Writes 257 bytes as text: 1 for each byte that may come, and in the last place for an end.
#[unsafe(no_mangle)]
pub extern "C" fn allowed(handle: i32) {
    with(|state| {
        let mask = state.grammar(handle).map(|grammar| *grammar.allowed());
        let mask = mask.unwrap_or([false; 257]);
        state.buffer.clear();
        state.buffer.extend(mask.map(u8::from));
    });
}

/// Reads a byte.
#[unsafe(no_mangle)]
pub extern "C" fn advance(handle: i32, byte: u8) {
    with(|state| {
        if let Some(grammar) = state.grammar(handle) {
            grammar.advance(byte);
        }
    });
}

/// Whether the grammar gave up on its way; then the reason is the text.
#[unsafe(no_mangle)]
pub extern "C" fn failed(handle: i32) -> bool {
    with(|state| {
        let failure = state.grammar(handle).and_then(|grammar| grammar.failure());
        let failed = failure.is_some();
        state.buffer = failure.unwrap_or_default().into_bytes();
        failed
    })
}

/// The same constraint in the same state, under a handle of its own; -1 if there is none.
#[unsafe(no_mangle)]
pub extern "C" fn fork(handle: i32) -> i32 {
    with(|state| match state.grammar(handle).cloned() {
        Some(grammar) => state.add(grammar),
        None => -1,
    })
}

/// Forgets a constraint.
#[unsafe(no_mangle)]
pub extern "C" fn release(handle: i32) {
    with(|state| {
        let slot = usize::try_from(handle)
            .ok()
            .and_then(|at| state.grammars.get_mut(at));
        if let Some(slot) = slot {
            *slot = None;
        }
    });
}
