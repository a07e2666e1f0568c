//! What the reader of standard output can show: how wide it is, and whether in colour.
//!
//! In: `--color`, the environment, the terminal itself. Out: answers that every command shares.

use std::env;
use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::sync::OnceLock;

/// Columns where nothing says how many there are.
const WIDTH: u16 = 120;
/// What can be a width; other values are mistakes.
const WIDTHS: std::ops::RangeInclusive<u16> = 20..=2000;

static CHOICE: OnceLock<Color> = OnceLock::new();

/// `--color`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Color {
    /// On a terminal, unless NO_COLOR is set or CLICOLOR is 0
    #[default]
    Auto,
    /// Everywhere
    Always,
    /// Nowhere
    Never,
}

impl Color {
    /// As the command line has it, before it is parsed: help and errors of the parser are coloured too.
    pub(super) fn of_words(words: impl Iterator<Item = OsString>) -> Color {
        let words: Vec<OsString> = words.take_while(|word| word != "--").collect();
        let named = |word: &str| <Color as clap::ValueEnum>::from_str(word, false).ok();
        let of = |(place, word): (usize, &OsString)| match word.to_str()? {
            "--color" => named(words.get(place + 1)?.to_str()?),
            word => named(word.strip_prefix("--color=")?),
        };
        words.iter().enumerate().filter_map(of).next_back().unwrap_or_default()
    }

    /// What the parser of the command line goes by.
    pub(super) fn of_parser(self) -> clap::ColorChoice {
        match self {
            Color::Auto => clap::ColorChoice::Auto,
            Color::Always => clap::ColorChoice::Always,
            Color::Never => clap::ColorChoice::Never,
        }
    }

    /// From now on, what [`in_color`] goes by.
    pub(super) fn choose(self) {
        // Set once, before any command runs; a second choice cannot come.
        let _ = CHOICE.set(self);
    }

    /// A word on the command line beats the environment, and NO_COLOR everything else in it.
    fn decide(self, terminal: bool, variable: impl Fn(&str) -> Option<OsString>) -> bool {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let off = |name: &str| set(name).is_some_and(|value| value == "0");
        match self {
            Color::Always => true,
            Color::Never => false,
            Color::Auto if set("NO_COLOR").is_some() => false,
            Color::Auto if set("CLICOLOR_FORCE").is_some() && !off("CLICOLOR_FORCE") => true,
            Color::Auto => terminal && !off("CLICOLOR") && set("TERM").is_none_or(|kind| kind != "dumb"),
        }
    }
}

/// Whether what goes to standard output may be coloured.
pub(super) fn in_color() -> bool {
    let choice = CHOICE.get().copied().unwrap_or_default();
    choice.decide(io::stdout().is_terminal(), |name| env::var_os(name))
}

/// Columns for what goes to standard output: COLUMNS, the terminal's, or many.
pub(super) fn width() -> u16 {
    let asked = env::var("COLUMNS").ok().and_then(|text| text.trim().parse().ok());
    let asked = asked.filter(|width| WIDTHS.contains(width));
    asked.or_else(|| size().map(|(width, _)| width)).unwrap_or(WIDTH)
}

/// Columns and rows of the terminal that standard output is; `None` where it is none, or does not say.
pub(super) fn size() -> Option<(u16, u16)> {
    let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
    (size.ws_col > 0 && size.ws_row > 0).then_some((size.ws_col, size.ws_row))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decided(choice: Color, terminal: bool, variables: &[(&str, &str)]) -> bool {
        choice.decide(terminal, |name| {
            variables.iter().find(|(set, _)| *set == name).map(|(_, value)| OsString::from(value))
        })
    }

    #[test]
    fn colour_follows_the_flag_then_the_environment_then_the_terminal() {
        assert!(decided(Color::Auto, true, &[]));
        assert!(!decided(Color::Auto, false, &[]));
        assert!(!decided(Color::Auto, true, &[("NO_COLOR", "1")]));
        assert!(decided(Color::Auto, true, &[("NO_COLOR", "")]), "an empty NO_COLOR is not set");
        assert!(!decided(Color::Auto, true, &[("CLICOLOR", "0")]));
        assert!(!decided(Color::Auto, true, &[("TERM", "dumb")]));
        assert!(decided(Color::Auto, false, &[("CLICOLOR_FORCE", "1")]));
        assert!(!decided(Color::Auto, false, &[("CLICOLOR_FORCE", "0")]));
        assert!(!decided(Color::Auto, false, &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]));
        assert!(decided(Color::Always, false, &[("NO_COLOR", "1")]));
        assert!(!decided(Color::Never, true, &[("CLICOLOR_FORCE", "1")]));
    }

    #[test]
    fn the_flag_is_found_in_either_form_and_not_behind_the_end_of_flags() {
        let of = |words: &str| Color::of_words(words.split(' ').map(OsString::from));
        assert_eq!(of("ablate status --color never"), Color::Never);
        assert_eq!(of("ablate --color=always status"), Color::Always);
        assert_eq!(of("ablate status -- --color=never"), Color::Auto);
        assert_eq!(of("ablate status --color purple"), Color::Auto);
        assert_eq!(of("ablate status --color"), Color::Auto);
    }
}
