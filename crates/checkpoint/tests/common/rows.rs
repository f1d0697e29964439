//! Tables of bad files.

use super::open;

/// A name, a bad file, the code it gets and a part of the message.
pub struct Row(
    pub &'static str,
    pub Vec<u8>,
    pub &'static str,
    pub &'static str,
);

pub const BAD: &str = "bad-checkpoint";
pub const FORMAT: &str = "unsupported-format";

pub fn check(rows: Vec<Row>) {
    for Row(name, file, code, fragment) in rows {
        match open(file) {
            Ok(_) => panic!("{name}: opened"),
            Err(error) => {
                assert_eq!(error.code(), code, "{name}: {error}");
                assert!(error.to_string().contains(fragment), "{name}: {error}");
            }
        }
    }
}
