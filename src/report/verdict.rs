//! Who won, said only as strongly as the seeds allow.
//!
//! In: ranked rows. Out: a [`Verdict`] whose text is one sentence. Runs that share a seed saw the same
//! images and noise, so variants are compared by their differences seed by seed, which vary far less than
//! the values themselves.

use std::fmt;

use super::difference::{self, Difference};
use super::metric::Goal;
use super::row::Row;

/// At most this many names are listed.
const LISTED: usize = 6;

/// The conclusion of a comparison.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Verdict {
    /// The paired interval against the runner-up leaves out 0.
    Winner { variant: String, runner_up: String, goal: Goal, margin: f64, ci95: (f64, f64), seeds: usize },
    /// It does not; these cannot be told apart from the first.
    Tie { variants: Vec<String>, margin: f64, ci95: (f64, f64), seeds: usize },
    /// Nothing can be concluded.
    Unknown { reason: String },
}

impl Verdict {
    /// Judges rows ranked best first.
    pub(crate) fn of(rows: &[Row], goal: Goal) -> Self {
        let unknown = |reason: String| Verdict::Unknown { reason };
        let valued: Vec<&Row> = rows.iter().filter(|row| row.summary.is_some()).collect();
        let (best, runner_up) = match valued.as_slice() {
            [] => return unknown("no run has a value".to_owned()),
            [only] => return unknown(format!("{} alone has a value", only.variant)),
            [best, runner_up, ..] => (*best, *runner_up),
        };
        let word = match goal {
            Goal::Min => "lowest",
            Goal::Max => "highest",
        };
        let first = advantage(best, runner_up, goal);
        let Some((Difference { mean: margin, seeds, .. }, ci95)) =
            first.and_then(|first| Some((first, first.ci95?)))
        else {
            return unknown(match first {
                Some(_) => format!(
                    "{} is {word}, but one seed cannot tell a difference from chance; give [sweep] more seeds",
                    best.variant
                ),
                None => format!(
                    "{} is {word}, but shares no seed with the runner-up {}",
                    best.variant, runner_up.variant
                ),
            });
        };
        let includes_zero = |(low, high): (f64, f64)| low <= 0.0 && high >= 0.0;
        if !includes_zero(ci95) {
            let (variant, runner_up) = (best.variant.clone(), runner_up.variant.clone());
            return Verdict::Winner { variant, runner_up, goal, margin, ci95, seeds };
        }
        let variants = indistinct(best, &valued[1..], goal);
        Verdict::Tie { variants, margin, ci95, seeds }
    }
}

/// The best row and those that cannot be told from it. Every other row is a contrast of its own, so their p
/// values are adjusted together; the runner-up belongs to the tie in any case.
fn indistinct(best: &Row, others: &[&Row], goal: Goal) -> Vec<String> {
    let mut contrasts: Vec<Option<Difference>> =
        others.iter().map(|row| advantage(best, row, goal).filter(|found| found.p.is_some())).collect();
    difference::adjust(contrasts.iter_mut().flatten());
    let tied = others
        .iter()
        .zip(contrasts)
        .filter(|(_, contrast)| contrast.is_some_and(|contrast| !contrast.leaves_out_zero()));
    std::iter::once(best).chain(tied.map(|(row, _)| *row)).map(|row| row.variant.clone()).collect()
}

/// By how much `best` is better than `other`, seed by seed.
fn advantage(best: &Row, other: &Row, goal: Goal) -> Option<Difference> {
    let sign = match goal {
        Goal::Min => -1.0,
        Goal::Max => 1.0,
    };
    let differences: Vec<f64> =
        difference::paired(best, other).into_iter().map(|difference| sign * difference).collect();
    Difference::of(&differences)
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = super::format::number;
        match self {
            Verdict::Winner { variant, runner_up, goal, margin, ci95: (low, high), seeds } => write!(
                f,
                "winner: {variant}, {} than {runner_up} by {} (95% interval {} to {}, {seeds} paired seeds)",
                goal.comparative(),
                number(*margin),
                number(*low),
                number(*high),
            ),
            Verdict::Tie { variants, margin, ci95: (low, high), seeds } => {
                write!(f, "tie among {}: {}", variants.len(), list(variants))?;
                write!(
                    f,
                    " (the first two differ by {}, 95% interval {} to {}, {seeds} paired seeds)",
                    number(*margin),
                    number(*low),
                    number(*high),
                )
            }
            Verdict::Unknown { reason } => write!(f, "no winner named: {reason}"),
        }
    }
}

/// Names in a row, the rest counted.
pub(crate) fn list(names: &[String]) -> String {
    let shown = names.iter().take(LISTED).map(String::as_str).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(LISTED) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture::row;

    #[test]
    fn a_winner_needs_a_paired_interval_that_leaves_out_zero() {
        // The values overlap widely; their differences are 0.10, 0.11, 0.09 and do not.
        let rows = [row("a", &[1.0, 2.0, 3.0]), row("b", &[1.10, 2.11, 3.09])];
        let Verdict::Winner { variant, runner_up, margin, ci95, seeds, .. } = Verdict::of(&rows, Goal::Min)
        else {
            panic!("a should win");
        };
        assert_eq!((variant.as_str(), runner_up.as_str(), seeds), ("a", "b", 3));
        assert!((margin - 0.1).abs() < 1e-12);
        // t(0.975, 2)·0.01/√3
        assert!((ci95.0 - (0.1 - 0.024_841_377_117_503)).abs() < 1e-9, "{ci95:?}");
    }

    #[test]
    fn otherwise_it_is_a_tie_among_those_that_cannot_be_told_apart() {
        let rows = [row("a", &[1.0, 1.2]), row("b", &[1.3, 1.1]), row("c", &[5.0, 5.21])];
        let verdict = Verdict::of(&rows, Goal::Min);
        assert!(matches!(&verdict, Verdict::Tie { variants, .. } if variants == &["a", "b"]), "{verdict}");
        assert!(verdict.to_string().starts_with("tie among 2: a, b ("), "{verdict}");
    }

    #[test]
    fn one_seed_cannot_tell() {
        let rows = [row("a", &[1.0]), row("b", &[2.0])];
        assert_eq!(
            Verdict::of(&rows, Goal::Min).to_string(),
            "no winner named: a is lowest, but one seed cannot tell a difference from chance; give [sweep] more seeds"
        );
        assert_eq!(Verdict::of(&rows[..1], Goal::Min).to_string(), "no winner named: a alone has a value");
    }

    #[test]
    fn a_greater_value_wins_where_the_goal_is_max() {
        let rows = [row("b", &[3.0, 3.1]), row("a", &[1.0, 1.1])];
        let text = Verdict::of(&rows, Goal::Max).to_string();
        assert!(text.starts_with("winner: b, higher than a by 2"), "{text}");
    }
}
