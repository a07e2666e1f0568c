//! One file, from whichever source has it, whole and with the right hash.
//!
//! In: a name, a length, a digest and the places where the file may be. Out: `<name>.partial`, complete,
//! verified and synced, ready to be renamed. The places are asked in turn, so a dead host costs one attempt a
//! round; every round goes on where the last one was cut, a pause follows each, and only rounds that brought
//! nothing are counted.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::digest::Digest;
use super::error::{Failure, FetchError};
use super::http::{Answer, Client, Setback, describe_io};
use super::job::Options;
use super::mirror::Place;
use super::observer::{Event, Observer};
use super::partial::Partial;

/// Read at a time; also how often progress is told.
const CHUNK: usize = 1 << 16;
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
struct Source {
    place: Place,
    setback: Option<Setback>,
}

impl Source {
    /// Whether there is no use in asking again.
    fn has_refused(&self) -> bool {
        matches!(self.setback, Some(Setback::Absent(_) | Setback::Lasting(_)))
    }
}

struct Transfer<'a> {
    wanted: Wanted<'a>,
    sources: Vec<Source>,
    partial: Partial,
    client: &'a Client,
    options: &'a Options,
    observer: &'a mut dyn Observer,
}

/// Why a single attempt ended early.
enum Stop {
    Setback(Setback),
    Error(FetchError),
}

impl From<FetchError> for Stop {
    fn from(error: FetchError) -> Self {
        Self::Error(error)
    }
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

    /// One request, or one copy, to its end.
    fn attempt(&mut self, index: usize) -> Result<(), Stop> {
        self.check_interrupt()?;
        let place = self.sources[index].place.clone();
        let (mut body, start): (Box<dyn Read>, u64) = match &place {
            Place::Address(address) => {
                let answer = self.ask(address)?;
                (Box::new(answer.body), answer.start)
            }
            Place::Path(path) => (Box::new(open_copy(path, self.wanted.bytes)?), 0),
        };
        if start != self.partial.length() {
            self.partial.restart()?;
        }
        self.observer.notice(Event::Begins {
            file: self.wanted.name,
            from: &place.to_string(),
            at: start,
            bytes: self.wanted.bytes,
        });
        self.receive(&mut *body)?;
        self.verify().map_err(|found| {
            let text = format!("has other content: SHA-256 {found} instead of {}", self.wanted.sha256);
            // A part from elsewhere may be to blame; from the beginning it is this source alone.
            Stop::Setback(if start > 0 { Setback::Passing(text) } else { Setback::Lasting(text) })
        })
    }

    /// Asks for what is missing; a server that cannot go on from there is asked for everything.
    fn ask(&mut self, address: &str) -> Result<Answer, Stop> {
        let (at, bytes) = (self.partial.length(), self.wanted.bytes);
        let answer = match self.client.get(address, at, bytes) {
            Err(Setback::Misplaced(_)) if at > 0 => {
                self.partial.restart()?;
                self.client.get(address, 0, bytes)
            }
            answer => answer,
        };
        answer.map_err(Stop::Setback)
    }

    /// Reads a body until the file is whole.
    fn receive(&mut self, body: &mut dyn Read) -> Result<(), Stop> {
        let mut buffer = vec![0; CHUNK];
        loop {
            self.check_interrupt()?;
            let count = match body.read(&mut buffer) {
                Ok(0) if self.partial.is_whole() => return Ok(()),
                Ok(0) => return Err(Stop::Setback(Setback::Passing("the connection broke off".to_owned()))),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                // What a server does after the last byte is of no interest.
                Err(_) if self.partial.is_whole() => return Ok(()),
                Err(error) => return Err(Stop::Setback(Setback::Passing(describe_io(&error)))),
            };
            if !self.partial.append(&buffer[..count])? {
                self.partial.restart()?;
                let text = format!("goes on after the {} bytes that were published", self.wanted.bytes);
                return Err(Stop::Setback(Setback::Lasting(text)));
            }
            self.observer.notice(Event::Advanced { at: self.partial.length() });
        }
    }

    /// Holds a whole file against its digest; a wrong one is thrown away and its digest returned.
    fn verify(&mut self) -> Result<(), Digest> {
        let found = self.partial.digest();
        if found == self.wanted.sha256 {
            return Ok(());
        }
        // If emptying fails, the next write fails with the same cause and says so.
        let _ = self.partial.restart();
        Err(found)
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

    fn check_interrupt(&self) -> Result<(), FetchError> {
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

/// Opens a file of a folder that serves as mirror. A read that fails later names nothing new, so it counts
/// as a passing fault like a connection that breaks.
fn open_copy(path: &Path, bytes: u64) -> Result<File, Stop> {
    let lasting = |text: String| Stop::Setback(Setback::Lasting(text));
    let opened = File::open(path).and_then(|file| Ok((file.metadata()?, file)));
    let (metadata, file) = opened.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Stop::Setback(Setback::Absent("there is no such file".to_owned())),
        _ => lasting(error.to_string()),
    })?;
    match metadata.len() {
        _ if !metadata.is_file() => Err(lasting("is not a regular file".to_owned())),
        length if length != bytes => {
            Err(lasting(format!("has another file under this name: {length} bytes instead of {bytes}")))
        }
        _ => Ok(file),
    }
}
