//! Names that tokenizers give to the beginning and the end of text.

/// Tokens that begin a text, where a vocabulary does not say.
pub(crate) const BEGIN: &[&str] = &[
    "<|begin_of_text|>",
    "<s>",
    "<bos>",
    "<|startoftext|>",
    "[CLS]",
];

/// Tokens that end a text or a turn: generation stops at any of them. In the order in which
/// one of them is taken for the end of text where a vocabulary does not say.
pub(crate) const END: &[&str] = &[
    "<|end_of_text|>",
    "</s>",
    "<eos>",
    "<|endoftext|>",
    "<|im_end|>",
    "<|eot_id|>",
    "<|eom_id|>",
    "<|eot|>",
    "<|end|>",
    "<|return|>",
    "<|call|>",
    "<end_of_turn>",
    "<|end_of_turn|>",
    "<|endofturn|>",
    "<end_of_utterance>",
    "<|END_OF_TURN_TOKEN|>",
    "<|end_of_sentence|>",
    "<\u{ff5c}end\u{2581}of\u{2581}sentence\u{ff5c}>",
];
