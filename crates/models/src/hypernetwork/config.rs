//! What a hypernetwork's file says of itself.

use lexigraft_checkpoint::{ByteSource, Checkpoint};
use serde::{Deserialize, Serialize};

use crate::ModelError;

/// The one format there is.
const FORMAT: &str = "lexigraft-hypernetwork-3";

/// Sizes, and the base model that the network was made for. Written as strings of a safetensors
/// file's `__metadata__`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HypernetworkConfig {
    pub hidden: usize,
    /// Blocks of the base model that the pieces go through.
    pub layers: usize,
    /// [`fingerprint`] of the base model's rows, in hexadecimal digits.
    pub base: String,
    /// The base model's name, for messages.
    pub base_name: String,
}

impl HypernetworkConfig {
    /// Reads the metadata of a file.
    ///
    /// # Errors
    /// `bad-config` for a file that is no hypernetwork of this format, or whose sizes cannot be.
    pub fn from_checkpoint<S: ByteSource>(checkpoint: &Checkpoint<S>) -> Result<Self, ModelError> {
        let metadata = checkpoint.metadata();
        if metadata.get_str("format")? != Some(FORMAT) {
            return Err(ModelError::BadConfig(format!(
                "this is no hypernetwork file (its format is not {FORMAT}); make one with \
                 `lexigraft hypernet train`"
            )));
        }
        let config: Self = serde_json::from_str(metadata.require_str("config")?)
            .map_err(|error| ModelError::BadConfig(format!("of the hypernetwork: {error}")))?;
        config.validate()?;
        Ok(config)
    }

    /// The same as pairs of strings.
    pub fn to_metadata(&self) -> [(String, String); 2] {
        let config = serde_json::to_string(self).unwrap_or_default();
        [
            ("format".to_owned(), FORMAT.to_owned()),
            ("config".to_owned(), config),
        ]
    }

    /// Refuses a network that was made for other rows.
    ///
    /// # Errors
    /// `wrong-base-model`.
    pub fn check_base(&self, fingerprint: &str) -> Result<(), ModelError> {
        if self.base == fingerprint {
            return Ok(());
        }
        Err(ModelError::WrongBaseModel {
            base: self.base_name.clone(),
        })
    }

    fn validate(&self) -> Result<(), ModelError> {
        // Far above any model whose rows fit a browser; keeps products of sizes small.
        if (1..=65_536).contains(&self.hidden) && self.layers <= 1024 {
            return Ok(());
        }
        Err(ModelError::BadConfig(format!(
            "a hypernetwork cannot have these sizes: {self:?}"
        )))
    }
}

/// A fingerprint of stored rows: FNV-1a of 64 bits over their number and a few thousand of their
/// bytes, taken evenly. It tells models and quantisations apart, and is no signature.
pub fn fingerprint(blocks: &[u8]) -> String {
    const SAMPLES: usize = 4096;
    let step = (blocks.len() / SAMPLES).max(1);
    let len = (blocks.len() as u64).to_le_bytes();
    let sampled = blocks.iter().step_by(step);
    let hash = len.iter().chain(sampled).fold(OFFSET, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(PRIME)
    });
    format!("{hash:016x}")
}

const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0100_0000_01b3;

#[cfg(test)]
mod tests {
    use super::fingerprint;

    #[test]
    fn fingerprints_tell_length_and_content_apart() {
        let rows = vec![7u8; 10_000];
        let mut other = rows.clone();
        other[0] = 8;
        assert_eq!(fingerprint(&rows), fingerprint(&rows.clone()));
        assert_ne!(fingerprint(&rows), fingerprint(&other));
        assert_ne!(fingerprint(&rows), fingerprint(&rows[1..]));
    }
}
