//! What values a key takes: its type, its range, its choices.
//!
//! Whether a value fits, and what to say where it does not, is in `fit`.

use super::fit::quoted;

/// The values a key takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// `true` or `false`.
    Bool,
    /// A whole number in a closed range.
    Integer {
        /// Smallest.
        min: i64,
        /// Largest.
        max: i64,
    },
    /// One of a few whole numbers.
    IntegerChoice(&'static [i64]),
    /// A finite number in a range; a whole number is taken as one too.
    Number(Range),
    /// A number, or a list of different ones.
    Numbers(Range),
    /// Text.
    Text,
    /// A name that is safe as a folder's: `[A-Za-z0-9._-]`, no leading dot, at most 128 bytes.
    FolderName,
    /// A path, not empty.
    Path,
    /// One of a few words; `later` are those of the next version.
    Choice {
        /// Words this version takes.
        now: &'static [&'static str],
        /// Words that come with a later version.
        later: &'static [&'static str],
    },
    /// A list of different words out of a few.
    Words {
        /// Words this version takes.
        now: &'static [&'static str],
        /// Words that come with a later version.
        later: &'static [&'static str],
    },
    /// A BLAKE3 hash in hexadecimal.
    Hash,
    /// A compute device.
    Device,
    /// A list of whole numbers.
    Integers {
        /// Smallest element.
        min: i64,
        /// Largest element.
        max: i64,
        /// Fewest and most elements.
        len: (usize, usize),
    },
    /// A list of two numbers.
    Pair(Range),
}

/// An interval of numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Range {
    /// Lower end.
    pub min: f64,
    /// Upper end; infinite: none.
    pub max: f64,
    /// Whether the lower end itself is taken.
    pub with_min: bool,
    /// Whether the upper end itself is taken.
    pub with_max: bool,
}

impl Range {
    pub(super) fn contains(self, x: f64) -> bool {
        let above = if self.with_min { x >= self.min } else { x > self.min };
        let below = if self.with_max { x <= self.max } else { x < self.max };
        x.is_finite() && above && below
    }

    pub(super) fn describe(self) -> String {
        let lower = if self.with_min { "of at least" } else { "above" };
        let upper = if self.with_max { "at most" } else { "below" };
        match self.max.is_infinite() {
            true => format!("{lower} {}", self.min),
            false => format!("{lower} {} and {upper} {}", self.min, self.max),
        }
    }
}

impl Kind {
    /// Whether a value is a list, so that a sweep axis over it is a list of lists.
    pub fn is_list(self) -> bool {
        matches!(self, Kind::Integers { .. } | Kind::Pair(_) | Kind::Words { .. })
    }

    /// The kind in words: "an integer from 1 to 4096".
    pub fn describe(self) -> String {
        match self {
            Kind::Bool => "true or false".into(),
            Kind::Integer { min, max: i64::MAX } => format!("an integer of at least {min}"),
            Kind::Integer { min, max } => format!("an integer from {min} to {max}"),
            Kind::IntegerChoice(values) => {
                values.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or ")
            }
            Kind::Number(range) => format!("a number {}", range.describe()),
            Kind::Numbers(range) => {
                format!("a number {}, or a list of different ones", range.describe())
            }
            Kind::Text => "a text in quotes".into(),
            Kind::FolderName => "a text of letters, digits, \".\", \"_\" and \"-\"".into(),
            Kind::Path => "a path in quotes".into(),
            Kind::Choice { now, .. } => match now {
                [only] => format!("\"{only}\""),
                several => format!("one of {}", quoted(several)),
            },
            Kind::Words { now, .. } => format!("a list of different words out of {}", quoted(now)),
            Kind::Hash => "64 hexadecimal digits in quotes".into(),
            Kind::Device => "\"auto\", \"cpu\", \"cuda:0\" or \"mps\"".into(),
            Kind::Integers { min, max, len: (fewest, most) } => {
                let count = match (fewest, most) {
                    (0, _) => String::new(),
                    (fewest, most) => format!(" of {fewest} to {most} numbers"),
                };
                match max {
                    i64::MAX => format!("a list{count}, each an integer of at least {min}"),
                    max => format!("a list{count}, each an integer from {min} to {max}"),
                }
            }
            Kind::Pair(range) => format!("a list of two numbers, each {}", range.describe()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::keys;

    #[test]
    fn only_lists_are_lists() {
        let is_list = |path: &str| keys::find(path).unwrap().kind.is_list();
        assert!(is_list("model.channel_multipliers") && is_list("training.betas"));
        assert!(!is_list("ema.decay") && !is_list("model.dropout"));
    }
}
