//! Shows a fetch on standard error: a bar on a terminal, a line now and then elsewhere.

use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget};

use crate::cli::output::{note, say};
use crate::data::fetch::{Event, Observer, size};
use crate::guard::printable;
use crate::launch::progress::style;

/// Between lines about one transfer.
const EVERY: Duration = Duration::from_secs(10);

/// Where what happens is shown.
pub(super) struct Progress {
    form: Form,
    transfer: Option<Transfer>,
}

enum Form {
    Quiet,
    Lines,
    /// The bar of the transfer that goes on.
    Bar(ProgressBar),
}

/// The file that arrives.
struct Transfer {
    file: String,
    from: String,
    bytes: u64,
    start: u64,
    since: Instant,
    /// When a line last said how far it is.
    said: Instant,
}

impl Progress {
    pub(super) fn new(quiet: bool) -> Self {
        let form = match (quiet, io::stderr().is_terminal()) {
            (true, _) => Form::Quiet,
            (_, true) => Form::Bar(ProgressBar::hidden()),
            (_, false) => Form::Lines,
        };
        Self { form, transfer: None }
    }

    /// The line that an event is worth where lines are shown.
    fn line(&mut self, event: Event<'_>, now: Instant) -> Option<String> {
        match event {
            Event::Begins { .. } => {
                let Transfer { file, from, bytes, start, .. } = self.transfer.as_ref()?;
                let whole = size(*bytes);
                Some(match start {
                    0 => format!("{file}: {whole} from {from}"),
                    start => format!("{file}: {whole} from {from}, going on after {}", size(*start)),
                })
            }
            Event::Advanced { at } => {
                let transfer = self.transfer.as_mut()?;
                if now.duration_since(transfer.said) < EVERY {
                    return None;
                }
                transfer.said = now;
                Some(format!("{}: {}", transfer.file, transfer.state(at, now)))
            }
            Event::Verified { file } => Some(format!("{file}: verified")),
            Event::Note(text) => Some(format!("note: {}", printable(text))),
        }
    }

    fn take(&mut self, event: Event<'_>, now: Instant) {
        if let Event::Begins { file, from, at, bytes } = event {
            let (file, from) = (file.to_owned(), printable(from));
            self.transfer = Some(Transfer { file, from, bytes, start: at, since: now, said: now });
        }
    }

    fn draw(&mut self, event: Event<'_>, now: Instant) {
        let Form::Bar(bar) = &mut self.form else { return };
        let Some(transfer) = &self.transfer else {
            return if let Event::Note(text) = event {
                note(text)
            };
        };
        match event {
            Event::Begins { at, bytes, .. } => {
                bar.finish_and_clear();
                *bar = ProgressBar::with_draw_target(Some(bytes), ProgressDrawTarget::stderr_with_hz(10))
                    .with_style(style("{prefix} {bar:12} {wide_msg}"))
                    .with_prefix(transfer.file.clone())
                    .with_message(format!("{} of {}", size(at), size(bytes)))
                    .with_position(at);
            }
            Event::Advanced { at } => {
                bar.set_message(transfer.state(at, now));
                bar.set_position(at);
            }
            Event::Verified { .. } => bar.finish_and_clear(),
            Event::Note(text) => bar.suspend(|| note(text)),
        }
    }
}

impl Observer for Progress {
    fn notice(&mut self, event: Event<'_>) {
        let now = Instant::now();
        self.take(event, now);
        match self.form {
            Form::Quiet => {}
            Form::Lines => self.line(event, now).into_iter().for_each(say),
            Form::Bar(_) => self.draw(event, now),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Form::Bar(bar) = &self.form {
            bar.finish_and_clear();
        }
    }
}

impl Transfer {
    /// How far it is, how fast, and how long it will take.
    fn state(&self, at: u64, now: Instant) -> String {
        let speed = at.saturating_sub(self.start) as f64 / now.duration_since(self.since).as_secs_f64();
        let mut text = format!("{} of {}", size(at), size(self.bytes));
        if speed.is_finite() && speed >= 1.0 {
            let left = self.bytes.saturating_sub(at) as f64 / speed;
            text.push_str(&format!(", {}/s, {} left", size(speed as u64), duration(left)));
        }
        text
    }
}

fn duration(seconds: f64) -> String {
    match seconds.ceil() {
        seconds if seconds < 120.0 => format!("{seconds} s"),
        seconds if seconds < 7200.0 => format!("{} min", (seconds / 60.0).ceil()),
        seconds => format!("{} h", (seconds / 3600.0).ceil()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_say_where_from_how_far_and_that_it_is_right() {
        let mut lines = Progress { form: Form::Lines, transfer: None };
        let begun = Instant::now();
        let mut at = |event, seconds| {
            let now = begun + Duration::from_secs(seconds);
            lines.take(event, now);
            lines.line(event, now)
        };
        let begins = |at| Event::Begins { file: "f.gz", from: "host", at, bytes: 4 << 20 };
        assert_eq!(at(begins(0), 0).unwrap(), "f.gz: 4.0 MiB from host");
        assert_eq!(at(Event::Advanced { at: 1 << 20 }, 9), None);
        assert_eq!(
            at(Event::Advanced { at: 2 << 20 }, 16).unwrap(),
            "f.gz: 2.0 MiB of 4.0 MiB, 128.0 KiB/s, 16 s left"
        );
        assert_eq!(at(Event::Advanced { at: 3 << 20 }, 20), None);
        assert_eq!(at(begins(3 << 20), 21).unwrap(), "f.gz: 4.0 MiB from host, going on after 3.0 MiB");
        assert_eq!(at(Event::Verified { file: "f.gz" }, 30).unwrap(), "f.gz: verified");
        assert_eq!(at(Event::Note("a\u{1b}b"), 31).unwrap(), r"note: a\u{1b}b");
    }

    #[test]
    fn times_are_rounded_up_to_what_a_reader_wants_to_know() {
        assert_eq!(
            [0.2, 119.0, 121.0, 7100.0, 9000.0].map(duration),
            ["1 s", "119 s", "3 min", "119 min", "3 h"]
        );
    }
}
