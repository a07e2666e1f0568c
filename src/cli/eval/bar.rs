//! How far a measuring of drawn images is, on standard error: a bar on a terminal, a line now and then elsewhere.

use std::cell::Cell;
use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::cli::output::say;
use crate::train::Stage;

/// Between lines.
const EVERY: Duration = Duration::from_secs(10);

/// How far it is, one stage after the other.
pub(super) struct Bar {
    bar: ProgressBar,
    /// When a line last said so; `None` on a terminal, which has the bar.
    said: Option<Cell<Instant>>,
}

impl Bar {
    pub(super) fn new() -> Self {
        // A constant; if it did not parse, indicatif's own style would do.
        let style = ProgressStyle::with_template("{msg} {bar:30} {percent}% {eta} left")
            .unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = ProgressBar::new(1).with_style(style);
        let terminal = io::stderr().is_terminal();
        if terminal {
            bar.enable_steady_tick(Duration::from_millis(500));
        }
        Self { bar, said: (!terminal).then(|| Cell::new(Instant::now())) }
    }

    pub(super) fn show(&self, stage: Stage) {
        let (words, done, of) = match stage {
            Stage::RealFeatures(done, of) => ("features of real images", done, of),
            Stage::Drawing(done, of) => ("drawing", done, of),
            Stage::DrawnFeatures(done, of) => ("features of drawn images", done, of),
            Stage::Comparing => ("comparing", 1, 1),
        };
        if self.bar.message() != words {
            self.bar.reset();
            self.bar.set_message(words);
        }
        self.bar.set_length(of);
        self.bar.set_position(done);
        if let Some(said) = self.said.as_ref().filter(|said| said.get().elapsed() > EVERY) {
            said.set(Instant::now());
            say(format_args!("{words}: {}%", 100 * done / of.max(1)));
        }
    }

    /// Says something that the bar does not run over.
    pub(super) fn beside(&self, words: impl FnOnce()) {
        self.bar.suspend(words);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
