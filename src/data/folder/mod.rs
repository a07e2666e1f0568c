//! A folder of the user's own pictures.
//!
//! In: a folder. Out: its pictures, recursively, in the order of their relative paths: `train/` and `test/`
//! where both exist, else everything as training images. The id of an image is a hash of its relative path and
//! its bytes: it depends neither on the machine nor on where the folder is, and an image that comes or goes
//! moves no other between the splits.

mod listing;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::Error;
use super::picture;
use super::reader::{Images, Part, Reader, Shape, place_of};
use crate::guard;
use listing::Listing;

/// Changes with every change of a decoded pixel.
const VERSION: u32 = 1;
/// A larger file is no picture anybody means to train on.
const MAX_FILE_BYTES: u64 = 128 << 20;

/// The reader of a folder: files listed, none opened yet.
#[derive(Debug)]
pub(super) struct Folder {
    root: PathBuf,
    train: Arc<Listing>,
    test: Arc<Listing>,
    /// Whether there are folders for the two parts.
    divided: bool,
    skip_corrupt: bool,
    shape: Shape,
}

impl Folder {
    /// Lists the pictures below `root`.
    pub(super) fn open(
        root: &Path,
        image_size: usize,
        channels: usize,
        skip_corrupt: bool,
    ) -> Result<Self, Error> {
        if !root.is_dir() {
            return Err(Error::NoPictures { folder: root.to_owned() });
        }
        let [train, test] = ["train", "test"].map(|name| root.join(name));
        let divided = train.is_dir() && test.is_dir();
        let (train, test) = if divided {
            (Listing::of(&train)?, Listing::of(&test)?)
        } else {
            (Listing::of(root)?, Listing::empty(root))
        };
        if train.len() == 0 {
            return Err(Error::NoPictures { folder: train.root().to_owned() });
        }
        let (train, test) = (Arc::new(train), Arc::new(test));
        let shape = Shape::square(channels, image_size);
        Ok(Self { root: root.to_owned(), train, test, divided, skip_corrupt, shape })
    }

    fn listing(&self, part: Part) -> &Arc<Listing> {
        match part {
            Part::Train => &self.train,
            Part::Test => &self.test,
        }
    }
}

impl Reader for Folder {
    fn name(&self) -> &'static str {
        "folder"
    }

    fn place(&self) -> String {
        place_of(&self.root)
    }

    fn identity(&self) -> String {
        let [train, test] = [&self.train, &self.test].map(|listing| listing.stamp());
        format!("version {VERSION}\n{}\n{train}\n{test}", self.place())
    }

    fn count(&self, part: Part) -> usize {
        self.listing(part).len()
    }

    fn shape(&self) -> Shape {
        self.shape
    }

    fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        let root = self.root.display();
        if !self.divided {
            notes.push(format!(
                "{root} has no folders train and test: all of it is for training, and the test split is empty"
            ));
        } else if self.test.len() == 0 {
            notes.push(format!("{} has no picture: the test split is empty", self.test.root().display()));
        }
        let others: Vec<String> =
            [&self.train, &self.test].into_iter().flat_map(|part| part.others()).collect();
        if !others.is_empty() {
            notes.push(format!(
                "{root} has pictures that are not read, only PNG, JPEG and WebP are: {}",
                others.join(", ")
            ));
        }
        notes
    }

    fn skips_corrupt(&self) -> bool {
        self.skip_corrupt
    }

    fn images(&self, part: Part) -> Result<Box<dyn Images>, Error> {
        Ok(Box::new(Pictures { part, listing: Arc::clone(self.listing(part)), shape: self.shape }))
    }
}

/// The files of a part.
#[derive(Debug)]
struct Pictures {
    part: Part,
    listing: Arc<Listing>,
    shape: Shape,
}

impl Images for Pictures {
    fn read(&self, position: usize, pixels: &mut [u8]) -> Result<u64, Error> {
        let path = self.listing.path(position);
        let bytes = load(&path)?;
        picture::read(&bytes, self.shape, pixels).map_err(|reason| Error::Image { path, reason })?;
        Ok(id(self.part, self.listing.name(position), &bytes))
    }

    fn label(&self, position: usize) -> String {
        self.listing.path(position).display().to_string()
    }
}

fn load(path: &Path) -> Result<Vec<u8>, Error> {
    let opened = guard::open_linked(path).map_err(Error::io("open", path))?;
    guard::read_at_most(&opened, MAX_FILE_BYTES).map_err(Error::io("read", path))?.ok_or_else(|| {
        let reason = format!("it has more than {} MiB, the most that is read", MAX_FILE_BYTES >> 20);
        Error::Image { path: path.to_owned(), reason }
    })
}

/// Hash of where in the folder an image is and of the file's bytes.
fn id(part: Part, name: &Path, bytes: &[u8]) -> u64 {
    let mut hasher = blake3::Hasher::new_derive_key("ablate folder image id v1");
    hasher.update(part.name().as_bytes());
    for name in name {
        let name = name.as_encoded_bytes();
        hasher.update(&(name.len() as u64).to_le_bytes()).update(name);
    }
    hasher.update(&u64::MAX.to_le_bytes()).update(bytes);
    let mut id = [0; 8];
    hasher.finalize_xof().fill(&mut id);
    u64::from_le_bytes(id)
}

#[cfg(test)]
mod tests;
