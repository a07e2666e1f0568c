//! What every reader of a data set offers: any of its images, at the size asked for, from any thread.
//!
//! A reader decodes the image at a position and gives its id. It neither splits nor shuffles nor stores:
//! `survey` goes through all positions, `cache` keeps what it finds, `split` says which image serves what.

use std::fmt;
use std::fs::{self, Metadata};
use std::path::Path;
use std::time::UNIX_EPOCH;

use super::error::Error;

/// Size of every image of a data set: channels, height, width.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// 1 (grey) or 3 (RGB).
    pub channels: usize,
    /// Pixels from top to bottom.
    pub height: usize,
    /// Pixels from left to right.
    pub width: usize,
}

impl Shape {
    /// A square image.
    pub(super) fn square(channels: usize, size: usize) -> Self {
        Self { channels, height: size, width: size }
    }

    /// Values in one image, C·H·W.
    #[must_use]
    pub fn values(&self) -> usize {
        self.channels * self.height * self.width
    }
}

/// Which of the published files an image comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// The training files; `train` and `val` are cut from them.
    Train,
    /// The test files.
    Test,
}

impl Part {
    /// Both, in the order in which they are stored.
    pub(super) const ALL: [Self; 2] = [Self::Train, Self::Test];

    /// A stable name, hashed into image ids.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Test => "test",
        }
    }
}

/// A data set in its published form.
pub(super) trait Reader {
    /// The data set's name; begins the name of its cache file.
    fn name(&self) -> &'static str;

    /// Where its files are: with the same place but another identity, what is in the cache is out of date.
    fn place(&self) -> String;

    /// Changes whenever the decoded pixels may change: source files, reader version.
    fn identity(&self) -> String;

    /// How many images a part has, the unusable ones included. Known without decoding any.
    fn count(&self, part: Part) -> usize;

    /// Size of the decoded images.
    fn shape(&self) -> Shape;

    /// What the user should know about the files.
    fn notes(&self) -> Vec<String> {
        Vec::new()
    }

    /// Whether an unusable image ([`Error::Image`]) is left out rather than an error.
    fn skips_corrupt(&self) -> bool {
        false
    }

    /// Opens a part.
    fn images(&self, part: Part) -> Result<Box<dyn Images>, Error>;
}

/// The images of one part, by position: 0 to [`Reader::count`] - 1.
pub(super) trait Images: fmt::Debug + Send + Sync {
    /// Decodes an image into `pixels` (C·H·W bytes, channel after channel) and gives its id.
    fn read(&self, position: usize, pixels: &mut [u8]) -> Result<u64, Error>;

    /// What the image is called in a message.
    fn label(&self, position: usize) -> String;
}

/// Length and time of the last change, to notice another file under the same name.
pub(super) fn stamp(metadata: &Metadata) -> String {
    let modified = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    format!("{} bytes, {:?}", metadata.len(), modified.unwrap_or_default())
}

/// A path by which this machine knows a file or folder, whatever the working folder and links are.
pub(super) fn place_of(path: &Path) -> String {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned()).display().to_string()
}

/// The id of an image: a hash of where it is and of its published content.
///
/// The content is taken before resizing, so the split into `train` and `val` and the order of
/// evaluation are the same for every `image_size`; the place keeps two equal images apart.
pub(super) fn image_id(dataset: &str, part: Part, position: u64, content: &[u8]) -> u64 {
    let mut hasher = blake3::Hasher::new_derive_key("ablate image id v1");
    hasher.update(dataset.as_bytes()).update(b"/");
    hasher.update(part.name().as_bytes()).update(b"/");
    hasher.update(&position.to_le_bytes());
    hasher.update(content);
    let mut id = [0; 8];
    hasher.finalize_xof().fill(&mut id);
    u64::from_le_bytes(id)
}
