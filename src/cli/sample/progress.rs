//! Shows how far a drawing is, on standard error: a bar on a terminal, a line now and then elsewhere.

use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget};

use crate::cli::output::say;
use crate::launch::progress::{duration, style};

/// Between lines.
const EVERY: Duration = Duration::from_secs(10);

/// Where it is shown.
pub(super) struct Progress {
    form: Form,
    /// What is drawn, in words.
    what: String,
    /// Network evaluations of all images.
    total: u64,
    begun: Instant,
    /// When a line last said how far it is.
    said: Instant,
}

enum Form {
    Quiet,
    Lines,
    Bar(ProgressBar),
}

impl Progress {
    /// Of `images`, each of which asks the network `each` times.
    pub(super) fn new(quiet: bool, images: usize, each: usize) -> Self {
        let what = format!("drawing {images} image{}", if images == 1 { "" } else { "s" });
        let total = (images * each) as u64;
        let form = match (quiet, io::stderr().is_terminal()) {
            (true, _) => Form::Quiet,
            (false, false) => Form::Lines,
            (false, true) => {
                let target = ProgressDrawTarget::stderr_with_hz(10);
                let bar = ProgressBar::with_draw_target(Some(total), target)
                    .with_style(style("{prefix} {bar:30} {percent:>3}%  {wide_msg}"));
                bar.set_prefix(what.clone());
                Form::Bar(bar)
            }
        };
        let now = Instant::now();
        Self { form, what, total, begun: now, said: now }
    }

    /// The network was asked so often, image by image.
    pub(super) fn at(&mut self, asked: u64) {
        let now = Instant::now();
        match &self.form {
            Form::Quiet => {}
            Form::Bar(bar) => {
                bar.set_message(self.left(asked, now));
                bar.set_position(asked);
            }
            Form::Lines => self.line(asked, now).into_iter().for_each(say),
        }
    }

    fn line(&mut self, asked: u64, now: Instant) -> Option<String> {
        if asked >= self.total || now.duration_since(self.said) < EVERY {
            return None;
        }
        self.said = now;
        Some(format!("{}: {}%, {}", self.what, asked * 100 / self.total, self.left(asked, now)))
    }

    fn left(&self, asked: u64, now: Instant) -> String {
        let each = now.duration_since(self.begun).as_secs_f64() / asked.max(1) as f64;
        format!("about {} left", duration(each * self.total.saturating_sub(asked) as f64))
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Form::Bar(bar) = &self.form {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_now_and_then_says_how_far_it_is_and_how_long_it_will_take() {
        let begun = Instant::now();
        let what = "drawing 64 images".to_owned();
        let mut progress = Progress { form: Form::Lines, what, total: 3200, begun, said: begun };
        let mut line = |asked, seconds| progress.line(asked, begun + Duration::from_secs(seconds));
        assert_eq!(line(64, 1), None);
        assert_eq!(line(800, 20).unwrap(), "drawing 64 images: 25%, about 1m00s left");
        assert_eq!(line(900, 22), None);
        assert_eq!(line(1600, 40).unwrap(), "drawing 64 images: 50%, about 40s left");
        assert_eq!(line(3200, 80), None, "the end is told by what was written");
    }
}
