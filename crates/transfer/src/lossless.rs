//! Whether a tokenizer gives text back as it was.

use lexigraft_text::Tokenizer;

use crate::TransferError;

/// Texts that normalisers and decoders change, and what has changed then.
const PROBES: [(&str, &str); 6] = [
    ("The Cat", "capital letters are lost"),
    ("Über señor ça", "accents are lost"),
    ("one  two   three", "runs of spaces are joined"),
    ("a\n\tb\n", "line ends or tabs are lost"),
    ("don't , stop .", "spaces before punctuation are lost"),
    (
        "\u{410}\u{431}\u{432} \u{6f22}\u{5b57} \u{1f600}",
        "characters outside its alphabet are lost",
    ),
];

/// Refuses a tokenizer whose decoding of an encoding is another text: bits per byte would count
/// bytes that the model never had to predict.
///
/// Unicode composition (NFC) is let pass: it changes few texts, and those to equal ones.
///
/// # Errors
/// `unsupported-tokenizer`, which says what is lost; those of encoding.
pub fn check_lossless(tokenizer: &Tokenizer) -> Result<(), TransferError> {
    for (text, lost) in PROBES {
        let ids = tokenizer.encode(text, false)?;
        if tokenizer.decode(&ids, false)? != text {
            return Err(TransferError::LossyTokenizer(lost.to_owned()));
        }
    }
    Ok(())
}
