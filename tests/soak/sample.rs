//! What is looked at, and when it counts as growing.

/// One thing that must not grow, as often as it was looked at.
pub(crate) struct Series<'a> {
    /// What it is counted in.
    name: &'static str,
    /// How much more than a tenth it may have grown: what fills slowly and has an end.
    spare: u64,
    look: Box<dyn Fn() -> Result<u64, String> + 'a>,
    values: Vec<u64>,
}

impl<'a> Series<'a> {
    /// Nobody has looked yet.
    pub(crate) fn new(
        name: &'static str,
        spare: u64,
        look: impl Fn() -> Result<u64, String> + 'a,
    ) -> Self {
        Self {
            name,
            spare,
            look: Box::new(look),
            values: Vec::new(),
        }
    }

    /// Takes one more look.
    pub(crate) fn take(&mut self) -> Result<(), String> {
        self.values.push((self.look)()?);
        Ok(())
    }

    /// The newest look, for whoever watches.
    pub(crate) fn newest(&self) -> String {
        let newest = self.values.last().copied().unwrap_or_default();
        format!("{newest:>6} {}", self.name)
    }

    /// Compares the last quarter of the run with the second: the first warms up. At most a tenth more, and
    /// something to spare.
    pub(crate) fn judge(&self) -> Result<String, String> {
        let Self {
            name,
            spare,
            values,
            ..
        } = self;
        let quarter = values.len() / 4;
        let middle = |from: usize| {
            let mut part = values
                .get(from..from + quarter)
                .unwrap_or_default()
                .to_vec();
            part.sort_unstable();
            part.get(quarter / 2).copied().unwrap_or_default()
        };
        let (before, after) = (middle(quarter), middle(values.len() - quarter));
        if after > before + before / 10 + spare {
            return Err(format!("{name} grew from {before} to {after}:\n{values:?}"));
        }
        Ok(format!("{name} {before} then {after}"))
    }
}

/// A series that grows by 1 % a sample is refused, a flat one is not.
pub(crate) fn sees_leaks() -> Result<String, String> {
    let series = |name, values| Series {
        values,
        ..Series::new(name, 6_000, || Ok(0))
    };
    let leak = (0..120_u64).map(|n| 50_000 + n * 500).collect();
    let noise = (0..120_u64).map(|n| 50_000 + n * 7919 % 3_000).collect();
    if series("leaking", leak).judge().is_ok() {
        return Err("a leak of 60 MB was not seen".to_owned());
    }
    series("noisy", noise).judge()
}
