//! Decoded images, kept on disk and mapped into memory: decoded once, shared by all workers of a machine.
//!
//! In: a reader and the data folder. Out: a [`Store`]. The file `cache/<dataset>-<C>x<H>x<W>-<place>-<key>.bin`
//! has what `cache_file` describes; `key` is a hash of what the pixels depend on (source files with length and
//! time of change, reader version), so another source means another file, and one of the same place with
//! another key is out of date. One process builds at a time, the others wait for it; a damaged file is rebuilt.
//!
//! Where the file would not fit on the disk, or the folder cannot be written, images are held in memory if they
//! are few; else they are streamed: decoded each time they are used. A stream is surveyed once as well, into a
//! small `.index` file: so ids, fingerprint and the unusable images are the same and are known before training
//! begins, and a run that was started with a cache can go on without.

use std::cell::Cell;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::cache_file::{Draft, HEADER_BYTES, Kind, Unusable, load};
use super::cache_folder::{lock, remove_outdated, remove_stale};
use super::error::Error;
use super::index::{Corrupt, Extent, Index};
use super::reader::{Part, Reader};
use super::room::{Room, human};
use super::store::{Pixels, Store};
use super::survey::{Failure, Report, survey};
use crate::guard;

/// Whether the cache's folder may be made. A run's `config.toml` may come from anybody with the rest of its tree, so
/// a worker takes the folder that it names as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// The user's own configuration names it.
    MayBeMade,
    /// It serves if it is there.
    AsFound,
}

/// The images of a reader, ready to be used.
pub(super) struct Opened {
    pub(super) store: Store,
    /// Sentences for the user.
    pub(super) notes: Vec<String>,
    /// Whether every image was decoded for this.
    pub(super) decoded: bool,
}

/// Opens the decoded images of `reader`: from the cache in `data_dir` if they are there and whole, else by
/// decoding. `room` is asked of the file system where absent; `report` is told how far decoding is.
pub(super) fn open(
    reader: &dyn Reader,
    data_dir: &Path,
    place: Place,
    room: Option<Room>,
    report: Report<'_>,
) -> Result<Opened, Error> {
    let mut cache = Cache::new(reader, data_dir.join("cache"), place, report);
    let (index, pixels) = match cache.ready() {
        Some(found) => found,
        None => cache.make(room)?,
    };
    let Cache { mut notes, decoded, .. } = cache;
    notes.extend(left_out(reader, &index)?);
    Ok(Opened { store: Store::new(index, pixels), notes, decoded: decoded.get() })
}

/// What is said of unusable images; an error unless they may be left out.
fn left_out(reader: &dyn Reader, index: &Index) -> Result<Option<String>, Error> {
    let Corrupt { count, named } = &index.corrupt;
    if *count == 0 {
        return Ok(None);
    }
    let total = Part::ALL.map(|part| reader.count(part)).iter().sum();
    if !reader.skips_corrupt() || index.extent.train == 0 {
        return Err(Error::Corrupt { total, count: *count, named: named.clone() });
    }
    let verb = if *count == 1 { "is" } else { "are" };
    let list: Vec<String> =
        named.iter().map(|(path, reason)| format!("{} ({reason})", path.display())).collect();
    let more =
        if *count > named.len() { format!(", and {} more", count - named.len()) } else { String::new() };
    Ok(Some(format!("{count} of {total} images {verb} left out: {}{more}", list.join(", "))))
}

/// The files of one reader.
struct Cache<'a> {
    reader: &'a dyn Reader,
    promised: Extent,
    folder: PathBuf,
    place: Place,
    /// Begins the names of all files of this data set, size and place.
    family: String,
    stem: String,
    notes: Vec<String>,
    /// Whether a survey was made.
    decoded: Cell<bool>,
    report: Report<'a>,
}

impl<'a> Cache<'a> {
    fn new(reader: &'a dyn Reader, folder: PathBuf, place: Place, report: Report<'a>) -> Self {
        let promised = Extent::of(reader);
        let hash = |text: &str, digits: usize| {
            let mut hasher = blake3::Hasher::new_derive_key("ablate cache key v2");
            hasher.update(text.as_bytes());
            hasher.finalize().to_hex()[..digits].to_owned()
        };
        let shape = promised.shape;
        let size = format!("{}x{}x{}", shape.channels, shape.height, shape.width);
        let family = format!("{}-{size}-{}-", reader.name(), hash(&reader.place(), 8));
        let stem = format!("{family}{}", hash(&reader.identity(), 16));
        let (decoded, notes) = (Cell::new(false), reader.notes());
        Self { reader, promised, folder, place, family, stem, notes, decoded, report }
    }

    fn file_name(&self, kind: Kind) -> String {
        format!("{}.{}", self.stem, kind.extension())
    }

    fn path(&self, kind: Kind) -> PathBuf {
        self.folder.join(self.file_name(kind))
    }

    /// Opens a file that is there and whole; a damaged one gets a note.
    fn load(&mut self, kind: Kind) -> Option<(Index, Option<Pixels>)> {
        let path = self.path(kind);
        match load(&path, kind, self.promised) {
            Ok(found) => Some(found),
            Err(Unusable::Absent) => None,
            Err(Unusable::Damaged(reason)) => {
                let note =
                    format!("the image cache {} is unusable ({reason}) and is built anew", path.display());
                if !self.notes.contains(&note) {
                    self.notes.push(note);
                }
                None
            }
        }
    }

    fn ready(&mut self) -> Option<(Index, Pixels)> {
        let (index, pixels) = self.load(Kind::Pixels)?;
        Some((index, pixels?))
    }

    /// Makes the folder, where it may be made; a link in its place leads to where nothing of ours belongs.
    fn make_folder(&self) -> io::Result<()> {
        if guard::is_link(&self.folder) {
            return Err(io::Error::other("it is a link, which is not followed"));
        }
        match self.place {
            Place::MayBeMade => fs::create_dir_all(&self.folder),
            Place::AsFound if self.folder.is_dir() => Ok(()),
            Place::AsFound => Err(io::Error::other("there is no such folder; `ablate run` makes it")),
        }
    }

    /// Builds the file, or finds another way.
    fn make(&mut self, room: Option<Room>) -> Result<(Index, Pixels), Error> {
        let unwritable = self.make_folder().err();
        let room = room.unwrap_or_else(|| Room::of(&self.folder));
        let _lock = lock(&self.folder);
        // Another process may have built it while this one waited.
        if let Some(found) = self.ready() {
            return Ok(found);
        }
        let needed = (HEADER_BYTES + self.promised.pixel_bytes()) as u64;
        let reason = if let Some(error) = unwritable {
            error.to_string()
        } else if needed > room.disk {
            format!("it would take {}, and {} can be spared", human(needed), human(room.disk))
        } else {
            match self.build() {
                Ok(()) => match self.ready() {
                    Some(found) => return Ok(found),
                    None => "it vanished".to_owned(),
                },
                Err(Failure::Source(error)) => return Err(error),
                Err(Failure::Storage(error)) => error.to_string(),
            }
        };
        let folder = self.folder.display();
        let (consequence, way): (_, fn(&mut Self) -> _) = if needed <= room.memory {
            ("every run decodes the images into its own memory", Self::hold)
        } else {
            ("every image is decoded each time it is used", Self::stream)
        };
        self.notes.push(format!("no image cache in {folder} ({reason}): {consequence}"));
        way(self)
    }

    /// Decodes everything into a file.
    fn build(&mut self) -> Result<(), Failure> {
        remove_stale(&self.folder);
        let mut draft = Draft::create(&self.folder, &self.file_name(Kind::Pixels), Kind::Pixels)
            .map_err(Failure::Storage)?;
        self.decoded.set(true);
        let index = survey(self.reader, &mut |pixels| draft.put(pixels), self.report)?;
        draft.finish(&index).map_err(Failure::Storage)?;
        remove_outdated(&self.folder, &self.family, &self.stem);
        Ok(())
    }

    /// Decodes everything into memory.
    fn hold(&mut self) -> Result<(Index, Pixels), Error> {
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(self.promised.pixel_bytes()).map_err(|error| {
            Error::io("hold in memory the images of", &self.folder)(io::Error::other(error))
        })?;
        let index = self.survey(&mut |pixels| bytes.extend_from_slice(pixels))?;
        Ok((index, Pixels::Memory(bytes)))
    }

    /// Leaves the images where they are.
    fn stream(&mut self) -> Result<(Index, Pixels), Error> {
        let index = match self.load(Kind::Index) {
            Some((index, _)) => index,
            None => {
                let index = self.survey(&mut |_| {})?;
                let written = Draft::create(&self.folder, &self.file_name(Kind::Index), Kind::Index)
                    .and_then(|draft| draft.finish(&index));
                match written {
                    Ok(()) => remove_outdated(&self.folder, &self.family, &self.stem),
                    Err(error) => self.notes.push(format!(
                        "the list of images cannot be kept in {} ({error}): every start looks at all of them",
                        self.folder.display()
                    )),
                }
                index
            }
        };
        let open = |part| match self.reader.count(part) {
            0 => Ok(None),
            _ => self.reader.images(part).map(Some),
        };
        Ok((index, Pixels::Streamed([open(Part::Train)?, open(Part::Test)?])))
    }

    fn survey(&mut self, put: &mut dyn FnMut(&[u8])) -> Result<Index, Error> {
        let put = &mut |pixels: &[u8]| {
            put(pixels);
            Ok(())
        };
        self.decoded.set(true);
        survey(self.reader, put, self.report).map_err(|failure| match failure {
            Failure::Source(error) => error,
            Failure::Storage(error) => Error::io("decode images for", &self.folder)(error),
        })
    }
}

#[cfg(test)]
#[path = "cache_tests.rs"]
mod tests;
