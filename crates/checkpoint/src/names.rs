//! Look-up by name without a second copy of the names.

/// Positions of a list, sorted by the name at each position.
#[derive(Debug, Clone, Default)]
pub(crate) struct NameIndex {
    order: Vec<u32>,
}

impl NameIndex {
    /// Builds the index, or gives back the first name that occurs twice.
    ///
    /// Lists longer than `u32::MAX` cannot come from a file: the readers limit
    /// their counts far below.
    pub(crate) fn new<'a, T>(
        items: &'a [T],
        name: impl Fn(&'a T) -> &'a str,
    ) -> Result<Self, &'a str> {
        let mut order: Vec<u32> = (0..).take(items.len()).collect();
        let at = |i: &u32| items.get(*i as usize).map(&name).unwrap_or_default();
        order.sort_unstable_by_key(at);
        for pair in order.windows(2) {
            if let [a, b] = pair
                && at(a) == at(b)
            {
                return Err(at(a));
            }
        }
        Ok(Self { order })
    }

    /// The item called `wanted`.
    pub(crate) fn find<'a, T>(
        &self,
        items: &'a [T],
        wanted: &str,
        name: impl Fn(&'a T) -> &'a str,
    ) -> Option<&'a T> {
        let at = |i: &u32| items.get(*i as usize).map(&name).unwrap_or_default();
        let found = self.order.binary_search_by(|i| at(i).cmp(wanted)).ok()?;
        items.get(*self.order.get(found)? as usize)
    }
}
