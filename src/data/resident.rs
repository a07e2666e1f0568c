//! Images that are asked for again and again, kept at hand: those of an evaluation.

use super::error::Error;
use super::split::Split;

/// The first images of a split in hash order; their pixels never have to be decoded.
#[derive(Debug)]
pub struct Resident {
    split: Split,
    len: usize,
    /// Pixels of a split that is streamed; the others hold theirs already.
    decoded: Option<Vec<u8>>,
}

impl Resident {
    /// Takes the first `n` images of `split` (all, if there are fewer).
    ///
    /// # Errors
    /// If an image cannot be decoded any more.
    pub fn new(split: Split, n: usize) -> Result<Self, Error> {
        let images = split.hash_order(n);
        let decoded = if split.is_streamed() {
            let mut pixels = vec![0; images.len() * split.shape().values()];
            split.read(&images, &mut pixels)?;
            Some(pixels)
        } else {
            None
        };
        Ok(Self { len: images.len(), split, decoded })
    }

    /// How many images there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no image.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The pixels of image `i`: C·H·W bytes, 0 to 255, channel after channel.
    ///
    /// # Panics
    /// If `i` is not below [`Resident::len`].
    #[must_use]
    pub fn image(&self, i: usize) -> &[u8] {
        assert!(i < self.len, "image {i} of {}", self.len);
        let values = self.split.shape().values();
        match &self.decoded {
            Some(pixels) => &pixels[i * values..][..values],
            None => self.split.held(i).expect("a split that is not streamed holds its pixels"),
        }
    }

    /// The id of image `i`.
    ///
    /// # Panics
    /// If `i` is not below [`Resident::len`].
    #[must_use]
    pub fn image_id(&self, i: usize) -> u64 {
        self.split.image_id(i)
    }
}
