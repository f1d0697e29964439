//! The table of methods: names, what they need, and how they are made.

use std::fmt;
use std::ops::ControlFlow;
use std::str::FromStr;

use lexigraft_models::decoder::Decoder;
use lexigraft_models::hypernetwork::Hypernetwork;

use crate::hypernetwork::Predicted;
#[cfg(feature = "auxiliary")]
use crate::initialise::{ATOMS, Focus, Omp, TextVectors, TokenAdapt, TokenAdaptOptions, Wechsel};
use crate::initialise::{Combined, FirstPiece, FirstPieceOptions, Fvt, Mean, PieceBigrams, Zero};
#[cfg(feature = "auxiliary")]
use crate::vectors::{SkipGram, SkipGramOptions, UnitVectors};
use crate::{Context, Initialise, TransferError};
#[cfg(feature = "auxiliary")]
use crate::{SourceModel, TokenTable};

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
    /// `initialise::Wechsel`.
    #[cfg(feature = "auxiliary")]
    Wechsel,
    /// `initialise::Focus`.
    #[cfg(feature = "auxiliary")]
    Focus,
    /// `initialise::TokenAdapt`.
    #[cfg(feature = "auxiliary")]
    TokenAdapt,
    /// `initialise::Omp`.
    #[cfg(feature = "auxiliary")]
    Omp,
    /// [`Predicted`], whose head has rows of its own.
    Hypernetwork,
}

const INPUTS: &[(&str, Input)] = &[
    ("zero", Input::Zero),
    ("mean", Input::Mean),
    ("fvt", Input::Fvt),
    #[cfg(feature = "auxiliary")]
    ("wechsel", Input::Wechsel),
    #[cfg(feature = "auxiliary")]
    ("focus", Input::Focus),
    #[cfg(feature = "auxiliary")]
    ("token-adapt", Input::TokenAdapt),
    #[cfg(feature = "auxiliary")]
    ("omp", Input::Omp),
    ("hypernetwork", Input::Hypernetwork),
];
const FIRST_PIECE: &str = "first-piece";

/// What methods need beside the two vocabularies.
#[derive(Clone, Copy, Default)]
pub struct Aids<'a> {
    /// The model itself, for `first-piece` and `hypernetwork`.
    pub decoder: Option<&'a Decoder>,
    /// Text that static vectors of tokens are learned from, for `wechsel` and `focus`.
    #[cfg(feature = "auxiliary")]
    pub text: Option<&'a str>,
    /// For `token-adapt`.
    #[cfg(feature = "auxiliary")]
    pub encoder: Option<&'a dyn TextVectors>,
    /// A model whose own tokenizer is the target, for `omp`.
    #[cfg(feature = "auxiliary")]
    pub donor: Option<&'a SourceModel>,
    /// Made for this model, for `hypernetwork`.
    pub hypernetwork: Option<&'a Hypernetwork>,
}

impl Method {
    /// Whether the head gets rows of its own, even where the model's is its embedding.
    pub fn unties(self) -> bool {
        self.first_piece || self.input == Input::Hypernetwork
    }

    /// The method between two vocabularies, ready to make rows. `progress` gets what is done and
    /// all there is to do of the longest preparation.
    ///
    /// # Errors
    /// `invalid-argument` for an aid that is missing; `aborted`; those of the aids.
    pub async fn prepare<'c>(
        self,
        context: Context<'c>,
        aids: Aids<'c>,
        mut progress: impl FnMut(usize, usize) -> ControlFlow<()>,
    ) -> Result<Box<dyn Initialise + 'c>, TransferError> {
        let input = self.input(context, aids, &mut progress).await?;
        self.headed(context, input, aids, async |done, total| {
            progress(done, total)
        })
        .await
    }

    /// As [`prepare`](Self::prepare), with a `progress` that may wait; it is for the methods that
    /// need no more than the model, as the others prepare in one go.
    ///
    /// # Errors
    /// As [`prepare`](Self::prepare).
    pub async fn prepare_with<'c>(
        self,
        context: Context<'c>,
        aids: Aids<'c>,
        progress: impl AsyncFnMut(usize, usize) -> ControlFlow<()>,
    ) -> Result<Box<dyn Initialise + 'c>, TransferError> {
        let keep_on = |_, _| ControlFlow::Continue(());
        let input = self.input(context, aids, keep_on).await?;
        self.headed(context, input, aids, progress).await
    }

    /// How the embedding's rows are made.
    #[cfg_attr(
        not(feature = "auxiliary"),
        allow(
            unused_mut,
            unused_variables,
            reason = "the other methods prepare nothing"
        )
    )]
    async fn input<'c>(
        self,
        context: Context<'c>,
        aids: Aids<'c>,
        mut progress: impl FnMut(usize, usize) -> ControlFlow<()>,
    ) -> Result<Box<dyn Initialise + 'c>, TransferError> {
        Ok(match self.input {
            Input::Zero => Box::new(Zero::new(context)),
            Input::Mean => Box::new(Combined::new(context, Mean)),
            Input::Fvt => Box::new(Combined::new(context, Fvt)),
            #[cfg(feature = "auxiliary")]
            Input::Focus => {
                let text = needed(aids.text, self, "a text to learn vectors from")?;
                let vectors = learned(context.target, text, &mut progress)?;
                Box::new(Combined::new(context, Focus::new(context, vectors)))
            }
            #[cfg(feature = "auxiliary")]
            Input::Wechsel => {
                let text = needed(aids.text, self, "a text to learn vectors from")?;
                let source = learned(context.source.tokens(), text, &mut progress)?;
                let target = learned(context.target, text, &mut progress)?;
                let method = Wechsel::new(context, &source, target)?;
                Box::new(Combined::new(context, method))
            }
            #[cfg(feature = "auxiliary")]
            Input::TokenAdapt => {
                let encoder = needed(aids.encoder, self, "a text encoder")?;
                let options = TokenAdaptOptions::default();
                Box::new(TokenAdapt::new(context, encoder, options, &mut progress).await?)
            }
            #[cfg(feature = "auxiliary")]
            Input::Omp => {
                let what = "a donor: a model whose own tokenizer is the one to be grafted";
                let donor = needed(aids.donor, self, what)?;
                Box::new(Omp::new(context, donor, ATOMS)?)
            }
            Input::Hypernetwork => {
                let network = needed(aids.hypernetwork, self, "a hypernetwork")?;
                let decoder = needed(aids.decoder, self, "the model itself")?;
                Box::new(Predicted::new(context, network, decoder)?)
            }
        })
    }

    /// The method with the head that it is to have.
    async fn headed<'c>(
        self,
        context: Context<'c>,
        input: Box<dyn Initialise + 'c>,
        aids: Aids<'c>,
        progress: impl AsyncFnMut(usize, usize) -> ControlFlow<()>,
    ) -> Result<Box<dyn Initialise + 'c>, TransferError> {
        if !self.first_piece {
            return Ok(input);
        }
        let decoder = needed(aids.decoder, self, "the model itself")?;
        let bigrams = PieceBigrams::new_with(context, decoder, progress).await?;
        Ok(Box::new(FirstPiece::new(
            context,
            input,
            bigrams,
            FirstPieceOptions::default(),
        )))
    }
}

/// Static vectors of a vocabulary's tokens, from a text.
#[cfg(feature = "auxiliary")]
fn learned(
    table: &TokenTable,
    text: &str,
    progress: impl FnMut(usize, usize) -> ControlFlow<()>,
) -> Result<UnitVectors, TransferError> {
    let ids = table.tokenizer().encode(text, false)?;
    let options = SkipGramOptions::default();
    Ok(SkipGram::train(table, &ids, options, progress)?.vectors(table))
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
                INPUTS
                    .iter()
                    .map(|(name, _)| *name)
                    .collect::<Vec<_>>()
                    .join(", ")
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
