//! How far a measuring of drawn images is, on standard error.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::train::Stage;

/// How far it is, one stage after the other.
pub(super) struct Bar(ProgressBar);

impl Bar {
    pub(super) fn new() -> Self {
        // A constant; if it did not parse, indicatif's own style would do.
        let style = ProgressStyle::with_template("{msg} {bar:30} {percent}% {eta} left")
            .unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = ProgressBar::new(1).with_style(style);
        bar.enable_steady_tick(Duration::from_millis(500));
        Self(bar)
    }

    pub(super) fn show(&self, stage: Stage) {
        let (words, done, of) = match stage {
            Stage::RealFeatures(done, of) => ("features of real images", done, of),
            Stage::Drawing(done, of) => ("drawing", done, of),
            Stage::DrawnFeatures(done, of) => ("features of drawn images", done, of),
            Stage::Comparing => ("comparing", 1, 1),
        };
        if self.0.message() != words {
            self.0.reset();
            self.0.set_message(words);
        }
        self.0.set_length(of);
        self.0.set_position(done);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
