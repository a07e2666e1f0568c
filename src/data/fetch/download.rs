//! One file, from whichever source has it, whole and with the right hash.
//!
//! In: a name, a length, a digest and the places where the file may be. Out: `<name>.partial`, complete,
//! verified and synced, ready to be renamed. The places are asked in turn, so a dead host costs one attempt a
//! round; every round goes on where the last one was cut, a pause follows each, and only rounds that brought
//! nothing are counted.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::attempt::Stop;
use super::digest::Digest;
use super::error::{Failure, FetchError};
use super::http::{Client, Setback};
use super::job::Options;
use super::mirror::Place;
use super::observer::{Event, Observer};
use super::partial::Partial;

/// How often a pause looks whether to stop.
const TICK: Duration = Duration::from_millis(50);

/// A file and what it must be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub(super) dataset: &'a str,
    pub(super) name: &'a str,
    pub(super) bytes: u64,
    pub(super) sha256: Digest,
}

/// Fetches into `folder`; gives the verified file, still under its partial name, and which place had it.
pub(super) fn obtain(
    wanted: Wanted<'_>,
    places: Vec<Place>,
    folder: &Path,
    client: &Client,
    options: &Options,
    observer: &mut dyn Observer,
) -> Result<(PathBuf, usize), FetchError> {
    let partial = Partial::open(Partial::path_of(folder, wanted.name), wanted.bytes)?;
    let sources = places.into_iter().map(|place| Source { place, setback: None }).collect();
    Transfer { wanted, sources, partial, client, options, observer }.run()
}

/// A place, and what it said last.
pub(super) struct Source {
    pub(super) place: Place,
    setback: Option<Setback>,
}

impl Source {
    /// Whether there is no use in asking again.
    fn has_refused(&self) -> bool {
        matches!(self.setback, Some(Setback::Absent(_) | Setback::Lasting(_)))
    }
}

/// A file on its way. How a single attempt goes is in `attempt`.
pub(super) struct Transfer<'a> {
    pub(super) wanted: Wanted<'a>,
    pub(super) sources: Vec<Source>,
    pub(super) partial: Partial,
    pub(super) client: &'a Client,
    options: &'a Options,
    pub(super) observer: &'a mut dyn Observer,
}

impl Transfer<'_> {
    fn run(mut self) -> Result<(PathBuf, usize), FetchError> {
        // Left whole by a process that was killed before the rename.
        if self.partial.is_whole() && self.verify().is_ok() {
            return self.finish(0);
        }
        let (mut fruitless, mut reached) = (0, self.partial.length());
        loop {
            for index in 0..self.sources.len() {
                if self.sources[index].has_refused() {
                    continue;
                }
                match self.attempt(index) {
                    Ok(()) => return self.finish(index),
                    Err(Stop::Error(error)) => return Err(error),
                    Err(Stop::Setback(setback)) => self.sources[index].setback = Some(setback),
                }
            }
            fruitless = if self.partial.length() > reached { 0 } else { fruitless + 1 };
            reached = reached.max(self.partial.length());
            if fruitless >= self.options.attempts || self.sources.iter().all(Source::has_refused) {
                return self.give_up();
            }
            let pause = self.options.pause * (1 << fruitless.saturating_sub(1).min(6));
            self.say_again(pause);
            self.pause(pause)?;
        }
    }

    fn finish(self, index: usize) -> Result<(PathBuf, usize), FetchError> {
        self.partial.sync()?;
        self.observer.notice(Event::Verified { file: self.wanted.name });
        Ok((self.partial.path().to_owned(), index))
    }

    fn give_up(self) -> Result<(PathBuf, usize), FetchError> {
        let kept = self.partial.length();
        if kept == 0 {
            self.partial.discard()?;
        }
        let failures = self.sources.into_iter().map(|source| {
            let (reason, absent) = match source.setback {
                Some(Setback::Absent(text)) => (text, true),
                Some(Setback::Passing(text) | Setback::Misplaced(text) | Setback::Lasting(text)) => {
                    (text, false)
                }
                None => ("was not asked".to_owned(), false),
            };
            Failure { from: source.place.to_string(), reason, absent }
        });
        Err(FetchError::Unobtainable {
            dataset: self.wanted.dataset.to_owned(),
            file: self.wanted.name.to_owned(),
            failures: failures.collect(),
            kept,
        })
    }

    /// Tells why there is a pause.
    fn say_again(&mut self, pause: Duration) {
        for source in &self.sources {
            if let Some(Setback::Passing(reason) | Setback::Misplaced(reason)) = &source.setback {
                let again = pause.as_secs_f64().ceil();
                let text = format!("{}: {reason}; asked again in {again} s", source.place);
                self.observer.notice(Event::Note(&text));
            }
        }
    }

    pub(super) fn check_interrupt(&self) -> Result<(), FetchError> {
        match self.options.is_interrupted() {
            false => Ok(()),
            true => Err(FetchError::Interrupted {
                file: self.wanted.name.to_owned(),
                at: self.partial.length(),
                bytes: self.wanted.bytes,
            }),
        }
    }

    fn pause(&self, mut left: Duration) -> Result<(), FetchError> {
        while !left.is_zero() {
            self.check_interrupt()?;
            let slice = left.min(TICK);
            std::thread::sleep(slice);
            left -= slice;
        }
        Ok(())
    }
}
