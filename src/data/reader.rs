//! What every reader of a data set offers: its images one after the other, at the size asked for.
//!
//! A reader yields decoded pixels in a fixed order and an id for each image. It neither splits nor
//! shuffles nor stores: `cache` keeps the pixels, `split` says which image serves what.

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

    /// Changes whenever the decoded pixels may change: source files, reader version.
    fn identity(&self) -> String;

    /// How many images a part has. Known without decoding any.
    fn count(&self, part: Part) -> usize;

    /// Size of the decoded images.
    fn shape(&self) -> Shape;

    /// Starts reading a part from its first image.
    fn images<'a>(&'a self, part: Part) -> Result<Box<dyn Images + 'a>, Error>;
}

/// The images of one part, in file order.
pub(super) trait Images {
    /// Decodes the next image into `pixels` (C·H·W bytes, channel after channel) and gives its id.
    /// Called at most [`Reader::count`] times.
    fn next(&mut self, pixels: &mut [u8]) -> Result<u64, Error>;
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
