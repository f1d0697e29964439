/// Finds stop strings in text that arrives in pieces.
///
/// Text that may be the beginning of a stop string is held back until it is decided.
#[derive(Debug)]
pub(crate) struct StopStrings {
    stops: Vec<String>,
    held: String,
}

/// What one piece of text led to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum StopState {
    /// Text that can be shown.
    Continue(String),
    /// Text before the stop string that was found.
    Stopped(String),
}

impl StopStrings {
    /// Empty strings are ignored: they would stop everything.
    pub fn new(stops: impl IntoIterator<Item = String>) -> Self {
        Self {
            stops: stops.into_iter().filter(|stop| !stop.is_empty()).collect(),
            held: String::new(),
        }
    }

    pub fn push(&mut self, text: &str) -> StopState {
        if self.stops.is_empty() {
            return StopState::Continue(text.to_owned());
        }
        self.held.push_str(text);
        if let Some(at) = self
            .stops
            .iter()
            .filter_map(|stop| self.held.find(stop.as_str()))
            .min()
        {
            self.held.truncate(at);
            return StopState::Stopped(std::mem::take(&mut self.held));
        }
        let undecided = self.undecided_suffix();
        let rest = self.held.split_off(self.held.len() - undecided);
        StopState::Continue(std::mem::replace(&mut self.held, rest))
    }

    /// What was held back and turned out to be no stop string.
    pub fn finish(&mut self) -> String {
        std::mem::take(&mut self.held)
    }

    /// Length of the longest suffix that begins a stop string.
    fn undecided_suffix(&self) -> usize {
        self.held
            .char_indices()
            .map(|(at, _)| at)
            .find(|&at| {
                let suffix = &self.held[at..];
                self.stops.iter().any(|stop| stop.starts_with(suffix))
            })
            .map_or(0, |at| self.held.len() - at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn run(stops: &[&str], pieces: &[&str]) -> (String, bool) {
        let mut strings = StopStrings::new(stops.iter().map(|s| s.to_string()));
        let mut shown = String::new();
        for piece in pieces {
            match strings.push(piece) {
                StopState::Continue(text) => shown.push_str(&text),
                StopState::Stopped(text) => {
                    shown.push_str(&text);
                    return (shown, true);
                }
            }
        }
        shown.push_str(&strings.finish());
        (shown, false)
    }

    #[test]
    fn a_stop_string_split_over_pieces_is_never_shown() {
        assert_eq!(
            run(&["\nUser:"], &["Hi.\n", "Us", "er", ": x"]),
            ("Hi.".into(), true)
        );
        assert_eq!(
            run(&["\nUser:"], &["Hi.\n", "Use it"]),
            ("Hi.\nUse it".into(), false)
        );
        assert_eq!(run(&["é!"], &["caf", "é", "!"]), ("caf".into(), true));
    }

    #[test]
    fn the_first_of_several_wins_and_empty_ones_do_nothing() {
        assert_eq!(run(&["b", "ab", ""], &["xxab"]), ("xx".into(), true));
        assert_eq!(run(&[""], &["abc"]), ("abc".into(), false));
    }

    proptest! {
        #[test]
        fn pieces_give_what_the_whole_text_gives(
            text in "[abc]{0,40}",
            stop in "[abc]{1,4}",
            cuts in prop::collection::vec(0usize..5, 0..40),
        ) {
            let mut pieces = Vec::new();
            let mut rest = text.as_str();
            for cut in cuts {
                let (piece, after) = rest.split_at(cut.min(rest.len()));
                pieces.push(piece);
                rest = after;
            }
            pieces.push(rest);
            let expected = match text.find(&stop) {
                Some(at) => (text[..at].to_owned(), true),
                None => (text.clone(), false),
            };
            prop_assert_eq!(run(&[&stop], &pieces), expected);
        }
    }
}
