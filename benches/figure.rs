//! Figures, and the table they are printed in.

use crate::process::say;

/// One measured figure with what it is held to.
#[derive(Clone, Debug)]
pub(crate) struct Figure {
    /// What was compared.
    pub(crate) name: String,
    /// What was measured, both sides.
    pub(crate) detail: String,
    /// The figure.
    pub(crate) value: f64,
    /// `x`, `ms`, `KB` or nothing.
    pub(crate) unit: &'static str,
    /// The worst that is accepted.
    pub(crate) floor: f64,
    /// Where it should be.
    pub(crate) aim: f64,
}

impl Figure {
    /// Better is smaller when the aim is below the floor.
    fn verdict(&self) -> &'static str {
        let reaches = |bar: f64| {
            if self.aim < self.floor {
                self.value <= bar
            } else {
                self.value >= bar
            }
        };
        if reaches(self.aim) {
            "aim"
        } else if reaches(self.floor) {
            "floor"
        } else {
            "below"
        }
    }
}

/// Prints figures as a Markdown table.
pub(crate) fn print(figures: &[Figure]) {
    say("");
    say("| figure | measured | floor | aim | reached | both sides |");
    say("|---|---:|---:|---:|---|---|");
    for figure in figures {
        let unit = figure.unit;
        let text = |value: f64| match value {
            value if value >= 100.0 => format!("{value:.0}{unit}"),
            value if value >= 10.0 => format!("{value:.1}{unit}"),
            value => format!("{value:.2}{unit}"),
        };
        say(&format!(
            "| {} | **{}** | {} | {} | {} | {} |",
            figure.name,
            text(figure.value),
            text(figure.floor),
            text(figure.aim),
            figure.verdict(),
            figure.detail
        ));
    }
}
