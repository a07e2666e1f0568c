//! One attempt at a file: ask one place for what is missing, and take what it gives.
//!
//! In: a transfer and the number of a place. Out: the whole file with the right hash, or why this attempt ended
//! before that; what arrived by then is kept unless it is known to be wrong.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::digest::Digest;
use super::download::Transfer;
use super::error::FetchError;
use super::http::{Answer, Setback, describe_io};
use super::mirror::Place;
use super::observer::Event;

/// Read at a time; also how often progress is told.
const CHUNK: usize = 1 << 16;

/// Why a single attempt ended early.
pub(super) enum Stop {
    Setback(Setback),
    Error(FetchError),
}

impl From<FetchError> for Stop {
    fn from(error: FetchError) -> Self {
        Self::Error(error)
    }
}

impl Transfer<'_> {
    /// One request, or one copy, to its end.
    pub(super) fn attempt(&mut self, index: usize) -> Result<(), Stop> {
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
    pub(super) fn verify(&mut self) -> Result<(), Digest> {
        let found = self.partial.digest();
        if found == self.wanted.sha256 {
            return Ok(());
        }
        // If emptying fails, the next write fails with the same cause and says so.
        let _ = self.partial.restart();
        Err(found)
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
