//! `ablate status --watch`: the same again and again, for as long as somebody is at work.
//!
//! On a terminal a screen of its own, redrawn in place and as wide and high as the window; when it ends, by itself or by
//! a signal, the terminal is as before and the last picture stands in it. Elsewhere a plain line for each change.

use std::collections::HashMap;
use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGWINCH};
use signal_hook::flag;

use super::row::Row;
use super::table::{Look, progress, speed};
use super::{Overview, View, counts, json, read, refresh_summaries, render, text};
use crate::cli::failure::Failure;
use crate::cli::output::print;
use crate::cli::terminal;
use crate::guard::printable;
use crate::launch::progress::duration;
use crate::rundir::State;

/// How soon a signal is noticed.
const TICK: Duration = Duration::from_millis(50);
/// What a table takes besides its rows: heading, its line, a blank line, counts, and the hint below.
const FRAME: usize = 6;
/// Of what could not be read, so much is told while the picture moves; all of it in the end.
const NOTES: usize = 2;

/// What signals have asked for.
struct Asked {
    end: Arc<AtomicBool>,
    redraw: Arc<AtomicBool>,
}

impl Asked {
    fn listen() -> Result<Asked, Failure> {
        let asked = Asked { end: Arc::default(), redraw: Arc::default() };
        let signals = [SIGINT, SIGTERM, SIGHUP].map(|signal| (signal, &asked.end));
        for (signal, raised) in signals.into_iter().chain([(SIGWINCH, &asked.redraw)]) {
            flag::register(signal, raised.clone())
                .map_err(|error| Failure::internal(format!("cannot listen to signals: {error}")))?;
        }
        Ok(asked)
    }

    fn end(&self) -> bool {
        self.end.load(Ordering::Relaxed)
    }

    /// Waits, at most until the end or a new size of the window is asked for.
    fn wait(&self, time: Duration) {
        let until = Instant::now() + time;
        while !self.end() && !self.redraw.swap(false, Ordering::Relaxed) {
            match until.checked_duration_since(Instant::now()) {
                Some(left) if !left.is_zero() => std::thread::sleep(left.min(TICK)),
                _ => return,
            }
        }
    }
}

/// Shows an overview, and what becomes of it.
pub(super) fn watch(view: &View, refresh: Duration, first: Overview) -> Result<(), Failure> {
    let asked = Asked::listen()?;
    let on_screen = io::stdout().is_terminal() && !view.json;
    let last = if on_screen {
        let screen = Screen::open()?;
        let last = follow(view, refresh, first, &asked, |overview| screen.show(overview, view))?;
        drop(screen);
        print(&render(&last, view)?)?;
        last
    } else {
        let mut said = Said::default();
        let last = follow(view, refresh, first, &asked, |overview| said.changes(overview, view))?;
        if !view.json {
            print(&format!("{}\n", counts(&last.counts)))?;
        }
        last
    };
    refresh_summaries(&last);
    Ok(())
}

/// Looks again and again, and returns what was seen last.
fn follow(
    view: &View,
    refresh: Duration,
    mut overview: Overview,
    asked: &Asked,
    mut show: impl FnMut(&Overview) -> Result<(), Failure>,
) -> Result<Overview, Failure> {
    loop {
        show(&overview)?;
        let over = !overview.is_at_work();
        if !over {
            asked.wait(refresh);
        }
        if asked.end() {
            return Ok(overview);
        }
        // Also when all is over: it may have ended since the last look.
        overview = read(&view.folder)?;
        if over {
            show(&overview)?;
            return Ok(overview);
        }
    }
}

/// The terminal's second screen, without a cursor; the first comes back when this is dropped.
struct Screen;

impl Screen {
    fn open() -> Result<Screen, Failure> {
        print("\x1b[?1049h\x1b[?25l")?;
        Ok(Screen)
    }

    /// Writes each line over the old one and clears what is left of it: nothing flickers.
    fn show(&self, overview: &Overview, view: &View) -> Result<(), Failure> {
        let (width, height) = terminal::size().unwrap_or((terminal::width(), 24));
        let lines = picture(overview, view, (width, height.into()), terminal::in_color());
        print(&format!("\x1b[H{}\x1b[K\x1b[J", lines.join("\x1b[K\n")))
    }
}

/// What fits in a window of so many columns and rows.
fn picture(overview: &Overview, view: &View, (width, height): (u16, usize), color: bool) -> Vec<String> {
    let mut below: Vec<String> =
        overview.notes.iter().take(NOTES).map(|note| format!("note: {note}")).collect();
    if let more @ 1.. = overview.notes.len() - below.len() {
        below.push(format!("{more} more notes"));
    }
    let (shown, hidden) = fitting(&overview.runs, height.saturating_sub(FRAME + below.len()));
    if hidden > 0 {
        below.push(format!("{hidden} more are not shown: the window is too low"));
    }
    below.push("Ctrl-C ends the watch, not the runs".to_owned());
    let table =
        text(&Overview { notes: vec![], ..overview.clone() }, &view.folder, &shown, Look { width, color });
    // A line that is too long would take two, and push the first ones out.
    let cut = |line: String| printable(&line).chars().take(width.into()).collect::<String>();
    table.lines().map(str::to_owned).chain(below.into_iter().map(cut)).take(height).collect()
}

impl Drop for Screen {
    fn drop(&mut self) {
        // A terminal that is gone needs no cursor.
        let _ = print("\x1b[?25h\x1b[?1049l");
    }
}

/// As many runs as there is room for, in their order: those that something happens to before those that are done.
fn fitting(rows: &[Row], room: usize) -> (Vec<Row>, usize) {
    let weight = |row: &Row| match row.state {
        State::Running => 0,
        State::Failed | State::Diverged => 1,
        State::Interrupted | State::Paused => 2,
        State::Submitted | State::Planned => 3,
        State::Done => 4,
    };
    let mut places: Vec<usize> = (0..rows.len()).collect();
    places.sort_by_key(|place| weight(&rows[*place]));
    places.truncate(room.max(1));
    places.sort_unstable();
    let shown: Vec<Row> = places.into_iter().map(|place| rows[place].clone()).collect();
    let hidden = rows.len() - shown.len();
    (shown, hidden)
}

/// What was said last, where nothing can be drawn over.
#[derive(Default)]
struct Said {
    lines: HashMap<(String, u64), String>,
    document: String,
}

impl Said {
    fn changes(&mut self, overview: &Overview, view: &View) -> Result<(), Failure> {
        if view.json {
            let document = json(overview, true)?;
            if document != self.document {
                print(&document)?;
                self.document = document;
            }
            return Ok(());
        }
        for row in &overview.runs {
            let key = (row.variant.clone(), row.seed);
            let line = line(row);
            // Speed and time left waver; a run has moved when its step or its state has.
            let moved = format!("{} {} {:?}", row.state.name(), row.step, row.error);
            if self.lines.get(&key) != Some(&moved) {
                print(&line)?;
                self.lines.insert(key, moved);
            }
        }
        Ok(())
    }
}

/// A run on one line.
fn line(row: &Row) -> String {
    let facts = [
        Some(format!("{}/seed-{}", row.variant, row.seed)),
        Some(row.state.name().to_owned()),
        Some(progress(row)).filter(|progress| !progress.is_empty()),
        row.loss.filter(|_| row.state != State::Planned).map(|loss| format!("loss {loss:.4}")),
        speed(row).map(|speed| format!("{speed} img/s")),
        row.seconds_left.map(|seconds| format!("{} left", duration(seconds))),
        row.error.clone(),
    ];
    let facts: Vec<String> = facts.into_iter().flatten().collect();
    format!("{}\n", printable(&facts.join("  ")))
}
