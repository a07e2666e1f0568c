//! What is known of the images of a data set once each has been decoded: everything but the pixels.
//!
//! In: images in file order, usable or not. Out: id, hash and position of each usable one, and the content hash
//! of them all. 28 bytes an image, so that a million images take 28 MB, in memory and at the end of a cache
//! file.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::reader::{Part, Reader, Shape};

/// Unusable images kept by name; of the others the number is enough.
const NAMED: usize = 5;
/// Bytes of an image's id, hash and position.
const ROW_BYTES: usize = 8 + 16 + 4;

/// How many images of which size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Extent {
    pub(super) shape: Shape,
    pub(super) train: usize,
    pub(super) test: usize,
}

impl Extent {
    /// What the files promise.
    pub(super) fn of(reader: &dyn Reader) -> Self {
        Self { shape: reader.shape(), train: reader.count(Part::Train), test: reader.count(Part::Test) }
    }

    /// Images of both parts.
    pub(super) fn images(&self) -> usize {
        self.train + self.test
    }

    /// Bytes of all pixels.
    pub(super) fn pixel_bytes(&self) -> usize {
        self.images() * self.shape.values()
    }

    /// The numbers as they are hashed and written.
    pub(super) fn words(&self) -> [u64; 5] {
        let Shape { channels, height, width } = self.shape;
        [channels, height, width, self.train, self.test].map(|value| value as u64)
    }
}

/// Hash of an image's pixels.
pub(super) type PixelHash = [u8; 16];

/// The hash of pixels, cut to 128 bits: against damage and accident, not against forgery.
pub(super) fn pixel_hash(pixels: &[u8]) -> PixelHash {
    let mut hash = [0; 16];
    hash.copy_from_slice(&blake3::hash(pixels).as_bytes()[..16]);
    hash
}

/// The images that could not be decoded.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Corrupt {
    pub(super) count: usize,
    /// The first of them, with what is wrong.
    pub(super) named: Vec<(PathBuf, String)>,
}

impl Corrupt {
    pub(super) fn add(&mut self, path: PathBuf, reason: String) {
        self.count += 1;
        if self.named.len() < NAMED {
            self.named.push((path, reason));
        }
    }
}

/// The usable images, training images first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Index {
    pub(super) extent: Extent,
    pub(super) ids: Vec<u64>,
    pub(super) hashes: Vec<PixelHash>,
    /// Place of each image in its part's files.
    pub(super) positions: Vec<u32>,
    pub(super) corrupt: Corrupt,
}

impl Index {
    /// An index of nothing yet.
    pub(super) fn new(shape: Shape) -> Self {
        Self {
            extent: Extent { shape, train: 0, test: 0 },
            ids: Vec::new(),
            hashes: Vec::new(),
            positions: Vec::new(),
            corrupt: Corrupt::default(),
        }
    }

    /// Adds the next usable image.
    pub(super) fn push(&mut self, part: Part, position: usize, id: u64, hash: PixelHash) {
        match part {
            Part::Train => self.extent.train += 1,
            Part::Test => self.extent.test += 1,
        }
        self.ids.push(id);
        self.hashes.push(hash);
        self.positions.push(u32::try_from(position).expect("a data set has fewer than 2^32 images"));
    }

    /// Hash of every usable image's pixels and id, their number and size.
    pub(super) fn content_hash(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_derive_key("ablate decoded images v2");
        for word in self.extent.words() {
            hasher.update(&word.to_le_bytes());
        }
        for (id, hash) in self.ids.iter().zip(&self.hashes) {
            hasher.update(&id.to_le_bytes()).update(hash);
        }
        *hasher.finalize().as_bytes()
    }

    /// Its bytes in a file, without the extent.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.ids.len() * ROW_BYTES + 64);
        bytes.extend(self.ids.iter().flat_map(|id| id.to_le_bytes()));
        bytes.extend(self.hashes.iter().flatten());
        bytes.extend(self.positions.iter().flat_map(|position| position.to_le_bytes()));
        bytes.extend(serde_json::to_vec(&self.corrupt).expect("text and numbers serialize"));
        bytes
    }

    /// Reads them back; `None` if they are not an index of that extent.
    pub(super) fn from_bytes(extent: Extent, bytes: &[u8]) -> Option<Self> {
        let n = extent.images();
        let (ids, bytes) = bytes.split_at_checked(n.checked_mul(8)?)?;
        let (hashes, bytes) = bytes.split_at_checked(n * 16)?;
        let (positions, corrupt) = bytes.split_at_checked(n * 4)?;
        Some(Self {
            extent,
            ids: ids.as_chunks().0.iter().map(|id| u64::from_le_bytes(*id)).collect(),
            hashes: hashes.as_chunks().0.to_vec(),
            positions: positions.as_chunks().0.iter().map(|place| u32::from_le_bytes(*place)).collect(),
            corrupt: serde_json::from_slice(corrupt).ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index() -> Index {
        let mut index = Index::new(Shape::square(1, 2));
        index.push(Part::Train, 0, 11, [1; 16]);
        index.push(Part::Train, 2, 22, [2; 16]);
        index.push(Part::Test, 0, 33, [3; 16]);
        (0..9).for_each(|i| index.corrupt.add(format!("{i}.png").into(), "it is empty".into()));
        index
    }

    #[test]
    fn an_index_comes_back_from_its_bytes_and_from_nothing_shorter() {
        let index = index();
        assert_eq!((index.corrupt.count, index.corrupt.named.len()), (9, NAMED));
        let bytes = index.to_bytes();
        assert_eq!(Index::from_bytes(index.extent, &bytes).unwrap(), index);
        for length in 0..bytes.len() {
            assert_eq!(Index::from_bytes(index.extent, &bytes[..length]), None);
        }
    }

    #[test]
    fn the_content_hash_follows_what_is_used_and_not_what_is_left_out() {
        let base = index();
        let mut other = base.clone();
        other.corrupt = Corrupt::default();
        other.positions = vec![0, 1, 0];
        assert_eq!(other.content_hash(), base.content_hash());
        other.hashes[1][15] ^= 1;
        assert_ne!(other.content_hash(), base.content_hash());
        let mut other = base.clone();
        other.ids[0] ^= 1;
        assert_ne!(other.content_hash(), base.content_hash());
        let mut other = base.clone();
        (other.extent.train, other.extent.test) = (1, 2);
        assert_ne!(other.content_hash(), base.content_hash());
    }
}
