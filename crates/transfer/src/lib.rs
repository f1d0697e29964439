//! Tokenizer transfer: embedding rows of one model for the tokens of another tokenizer.

pub mod hypernetwork;
