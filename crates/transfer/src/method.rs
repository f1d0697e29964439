//! The table of methods: names, what they need, and how they are made.

use std::fmt;
use std::ops::ControlFlow;
use std::str::FromStr;

use lexigraft_models::decoder::Decoder;

use crate::initialise::{Combined, FirstPiece, Fvt, Mean, PieceBigrams, Zero};
use crate::{Context, Initialise, TransferError};

/// A method by name: how the embedding rows are made, and whether the head has rows of its own.
///
/// Written `fvt`, or `fvt+first-piece` with the head of [`FirstPiece`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Method {
    /// How the embedding rows are made.
    pub input: Input,
    /// Whether [`FirstPiece`] makes the head.
    pub first_piece: bool,
}

/// How embedding rows are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// [`Zero`].
    Zero,
    /// [`Mean`].
    Mean,
    /// [`Fvt`].
    Fvt,
}

const INPUTS: [(&str, Input); 3] = [
    ("zero", Input::Zero),
    ("mean", Input::Mean),
    ("fvt", Input::Fvt),
];
const FIRST_PIECE: &str = "first-piece";

/// What methods need beside the two vocabularies.
#[derive(Debug, Clone, Copy, Default)]
pub struct Aids<'a> {
    /// The model itself, for `first-piece`.
    pub decoder: Option<&'a Decoder>,
}

impl Method {
    /// The method between two vocabularies, ready to make rows. `progress` gets what is done and
    /// all there is to do of the longest preparation.
    ///
    /// # Errors
    /// `invalid-argument` for an aid that is missing; `aborted`; those of the aids.
    pub async fn prepare<'c>(
        self,
        context: Context<'c>,
        aids: Aids<'c>,
        progress: impl FnMut(usize, usize) -> ControlFlow<()>,
    ) -> Result<Box<dyn Initialise + 'c>, TransferError> {
        let input: Box<dyn Initialise + 'c> = match self.input {
            Input::Zero => Box::new(Zero::new(context)),
            Input::Mean => Box::new(Combined::new(context, Mean)),
            Input::Fvt => Box::new(Combined::new(context, Fvt)),
        };
        if !self.first_piece {
            return Ok(input);
        }
        let decoder = needed(aids.decoder, self, "the model itself")?;
        let bigrams = PieceBigrams::new(context, decoder, progress).await?;
        Ok(Box::new(FirstPiece::new(context, input, &bigrams)?))
    }
}

fn needed<T>(aid: Option<T>, method: Method, what: &str) -> Result<T, TransferError> {
    aid.ok_or_else(|| TransferError::InvalidArgument(format!("the method {method} needs {what}")))
}

impl FromStr for Method {
    type Err = TransferError;

    fn from_str(text: &str) -> Result<Self, TransferError> {
        let (input, head) = match text.split_once('+') {
            Some((input, head)) => (input, Some(head)),
            None => (text, None),
        };
        let found = INPUTS.iter().find(|(name, _)| *name == input);
        match (found, head) {
            (Some((_, input)), None | Some(FIRST_PIECE)) => Ok(Self {
                input: *input,
                first_piece: head.is_some(),
            }),
            _ => Err(TransferError::InvalidArgument(format!(
                "there is no method `{text}`; there are {}, each also with +{FIRST_PIECE}",
                INPUTS.map(|(name, _)| name).join(", ")
            ))),
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = INPUTS.iter().find(|(_, input)| *input == self.input);
        f.write_str(found.map_or("", |(name, _)| name))?;
        if self.first_piece {
            write!(f, "+{FIRST_PIECE}")?;
        }
        Ok(())
    }
}
