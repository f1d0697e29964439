//! How much a grammar may take. All of it comes from users.

use llguidance::api::ParserLimits;

/// Longest JSON schema, in bytes.
pub const MOST_SCHEMA_BYTES: usize = 256 << 10;
/// Longest grammar, in bytes. Rules are compiled by recursion, one inside the other.
pub const MOST_GRAMMAR_BYTES: usize = 64 << 10;

/// Fuel is counted in nodes of expressions that are made, not in time, so what is refused does not
/// depend on the machine.
pub(crate) fn parser_limits() -> ParserLimits {
    ParserLimits {
        // About 20 ms natively.
        initial_lexer_fuel: 1_000_000,
        // Of one byte: about 15 ms.
        step_lexer_fuel: 200_000,
        step_max_items: 50_000,
        max_items_in_row: 2_000,
        // A kilobyte or two each.
        max_lexer_states: 50_000,
        // Symbols in productions.
        max_grammar_size: 200_000,
        // It would run large expressions over a vocabulary of 256 tokens, for nothing.
        precompute_large_lexemes: false,
        verbose_errors: false,
    }
}
