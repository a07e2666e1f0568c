//! Shows a fetch on standard error: a bar on a terminal, a line now and then elsewhere.

use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::data::fetch::{Event, Observer, size};
use crate::report::terminal::clean;

/// Between lines about one transfer.
const EVERY: Duration = Duration::from_secs(10);

/// Where what happens is shown.
pub(super) enum Progress {
    /// Nowhere.
    Quiet,
    /// As a bar.
    Bar(ProgressBar),
    /// As lines.
    Lines(Lines),
}

/// The transfer that lines are about.
#[derive(Default)]
pub(super) struct Lines {
    begun: Option<Transfer>,
}

struct Transfer {
    file: String,
    bytes: u64,
    start: u64,
    since: Instant,
    said: Instant,
}

impl Progress {
    pub(super) fn new(quiet: bool) -> Self {
        if quiet {
            return Self::Quiet;
        }
        if !io::stderr().is_terminal() {
            return Self::Lines(Lines::default());
        }
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr_with_hz(10));
        bar.set_style(
            ProgressStyle::with_template(
                "{prefix} {bar:24} {bytes}/{total_bytes}  {bytes_per_sec}  {eta} left",
            )
            .unwrap_or_else(|_| ProgressStyle::default_bar())
            .progress_chars("━╸─"),
        );
        Self::Bar(bar)
    }

    /// Clears the bar before something else is printed.
    pub(super) fn end(&mut self) {
        if let Self::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}

impl Observer for Progress {
    fn notice(&mut self, event: Event<'_>) {
        match self {
            Self::Quiet => {}
            Self::Bar(bar) => draw(bar, event),
            Self::Lines(lines) => {
                lines.notice(event, Instant::now()).into_iter().for_each(|line| eprintln!("{line}"))
            }
        }
    }
}

fn draw(bar: &ProgressBar, event: Event<'_>) {
    match event {
        Event::Begins { file, at, bytes, .. } => {
            bar.reset();
            bar.set_prefix(file.to_owned());
            bar.set_length(bytes);
            bar.set_position(at);
            // The speed is that of what arrives now.
            bar.reset_eta();
        }
        Event::Advanced { at } => bar.set_position(at),
        Event::Verified { .. } => bar.finish_and_clear(),
        Event::Note(text) => bar.println(format!("note: {}", clean(text))),
    }
}

impl Lines {
    /// The line that an event is worth.
    fn notice(&mut self, event: Event<'_>, now: Instant) -> Option<String> {
        match event {
            Event::Begins { file, from, at, bytes } => {
                let start = Transfer { file: file.to_owned(), bytes, start: at, since: now, said: now };
                self.begun = Some(start);
                let whole = size(bytes);
                let from = clean(from);
                Some(match at {
                    0 => format!("{file}: {whole} from {from}"),
                    at => format!("{file}: {whole} from {from}, going on after {}", size(at)),
                })
            }
            Event::Advanced { at } => {
                let transfer = self.begun.as_mut()?;
                if now.duration_since(transfer.said) < EVERY {
                    return None;
                }
                transfer.said = now;
                let speed =
                    (at - transfer.start.min(at)) as f64 / now.duration_since(transfer.since).as_secs_f64();
                let (file, whole) = (&transfer.file, size(transfer.bytes));
                Some(format!("{file}: {} of {whole}, {}/s", size(at), size(speed as u64)))
            }
            Event::Verified { file } => {
                self.begun = None;
                Some(format!("{file}: verified"))
            }
            Event::Note(text) => Some(format!("note: {}", clean(text))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_say_where_from_how_far_and_that_it_is_right() {
        let mut lines = Lines::default();
        let begun = Instant::now();
        let mut at = |event, seconds| lines.notice(event, begun + Duration::from_secs(seconds));
        let begins = |at| Event::Begins { file: "f.gz", from: "host", at, bytes: 4 << 20 };
        assert_eq!(at(begins(0), 0).unwrap(), "f.gz: 4.0 MiB from host");
        assert_eq!(at(Event::Advanced { at: 1 << 20 }, 9), None);
        assert_eq!(at(Event::Advanced { at: 2 << 20 }, 16).unwrap(), "f.gz: 2.0 MiB of 4.0 MiB, 128.0 KiB/s");
        assert_eq!(at(Event::Advanced { at: 3 << 20 }, 20), None);
        assert_eq!(at(begins(3 << 20), 21).unwrap(), "f.gz: 4.0 MiB from host, going on after 3.0 MiB");
        assert_eq!(at(Event::Verified { file: "f.gz" }, 30).unwrap(), "f.gz: verified");
        assert_eq!(at(Event::Note("a\u{1b}b"), 31).unwrap(), r"note: a\u{1b}b");
    }
}
