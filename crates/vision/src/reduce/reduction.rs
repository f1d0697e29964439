use crate::VisionError;

/// A linear map from the tokens before to the tokens after.
#[derive(Debug, Clone, PartialEq)]
pub struct Reduction {
    inputs: usize,
    /// Where each output's sources end in `sources`.
    ends: Vec<usize>,
    /// Input tokens and their weights, output by output.
    sources: Vec<(u32, f32)>,
    /// For each input the output that stands for it; `None` when it was dropped.
    destinations: Vec<Option<u32>>,
}

impl Reduction {
    /// Begins a reduction of `inputs` tokens of which the first `leading` stay as they are.
    pub fn begin(inputs: usize, leading: usize) -> Self {
        let mut reduction = Self {
            inputs,
            ends: Vec::new(),
            sources: Vec::new(),
            destinations: vec![None; inputs],
        };
        for token in 0..leading.min(inputs) {
            reduction.push_kept(token);
        }
        reduction
    }

    /// Keeps everything.
    pub fn all(inputs: usize) -> Self {
        Self::begin(inputs, inputs)
    }

    /// Keeps the leading tokens and the reducible ones at `indices` (sorted, counted from the
    /// first reducible one); drops the rest.
    pub fn keep(inputs: usize, leading: usize, indices: &[usize]) -> Self {
        let mut reduction = Self::begin(inputs, leading);
        for index in indices {
            reduction.push_kept(leading + index);
        }
        reduction
    }

    /// Adds an output that is one input unchanged.
    pub fn push_kept(&mut self, token: usize) {
        self.push(vec![(token, 1.0)], &[token]);
    }

    /// Adds an output: a weighted sum of inputs, standing for `members`.
    pub fn push(&mut self, sources: Vec<(usize, f32)>, members: &[usize]) {
        let output = self.ends.len() as u32;
        self.sources.extend(
            sources
                .iter()
                .map(|&(token, weight)| (token as u32, weight)),
        );
        self.ends.push(self.sources.len());
        for &member in members {
            if let Some(slot) = self.destinations.get_mut(member) {
                *slot = Some(output);
            }
        }
    }

    pub fn inputs(&self) -> usize {
        self.inputs
    }

    pub fn outputs(&self) -> usize {
        self.ends.len()
    }

    /// Whether every token stays as it is.
    pub fn is_identity(&self) -> bool {
        self.outputs() == self.inputs
            && self
                .sources
                .iter()
                .enumerate()
                .all(|(at, &source)| source == (at as u32, 1.0))
    }

    /// Sources of each output with their weights.
    pub fn outputs_with_sources(&self) -> impl Iterator<Item = &[(u32, f32)]> {
        let starts = [0].into_iter().chain(self.ends.iter().copied());
        starts
            .zip(&self.ends)
            .map(|(start, &end)| self.sources.get(start..end).unwrap_or_default())
    }

    /// For each input the output that stands for it.
    pub fn destinations(&self) -> &[Option<u32>] {
        &self.destinations
    }

    /// `[inputs, width]` to `[outputs, width]`. A token that is kept comes through bit for bit.
    pub fn apply(&self, rows: &[f32], width: usize) -> Vec<f32> {
        let mut out = Vec::with_capacity(self.outputs() * width);
        let row = |token: u32| {
            let start = token as usize * width;
            rows.get(start..start + width).unwrap_or_default()
        };
        for sources in self.outputs_with_sources() {
            if let [(token, 1.0)] = *sources {
                out.extend_from_slice(row(token));
                continue;
            }
            let start = out.len();
            out.resize(start + width, 0.0);
            for &(token, weight) in sources {
                let sum = out.get_mut(start..).unwrap_or_default();
                for (sum, value) in sum.iter_mut().zip(row(token)) {
                    *sum += weight * value;
                }
            }
        }
        out
    }

    /// Patches that each output stands for: the sum over its members.
    pub fn sizes(&self, sizes: &[f32]) -> Vec<f32> {
        let mut out = vec![0f32; self.outputs()];
        for (destination, size) in self.destinations.iter().zip(sizes) {
            if let Some(slot) = destination.and_then(|output| out.get_mut(output as usize)) {
                *slot += size;
            }
        }
        // A summary of dropped tokens stands for none of them, and counts once.
        out.iter_mut()
            .filter(|size| **size == 0.0)
            .for_each(|size| *size = 1.0);
        out
    }

    /// Positions of the outputs: that of an output which is one of its own members (the first of
    /// them), `None` for summaries.
    pub fn positions(&self, positions: &[Option<u32>]) -> Vec<Option<u32>> {
        let mut out = vec![None; self.outputs()];
        for (destination, position) in self.destinations.iter().zip(positions) {
            if let Some(slot) = destination.and_then(|output| out.get_mut(output as usize))
                && slot.is_none()
            {
                *slot = *position;
            }
        }
        out
    }

    /// Checks that sources are in range and that each output has one.
    ///
    /// # Errors
    /// `invalid-argument`.
    pub fn check(&self, inputs: usize) -> Result<(), VisionError> {
        let in_range = self
            .sources
            .iter()
            .all(|&(token, weight)| (token as usize) < inputs && weight.is_finite());
        let filled = self
            .outputs_with_sources()
            .all(|sources| !sources.is_empty());
        if self.inputs == inputs && in_range && filled {
            return Ok(());
        }
        Err(VisionError::InvalidArgument(format!(
            "a reduction of {} tokens was made for {inputs}, or an output of it has no source",
            self.inputs
        )))
    }
}
