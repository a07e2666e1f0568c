//! The decoded images of one data set: 8-bit, channel after channel, mapped from the cache or held in memory.
//!
//! The body of a store is the pixels of every training image, then of every test image, in file order; then
//! the 64-bit ids of the same images, little-endian. Its content hash covers shape, counts, pixels and ids.

use memmap2::Mmap;

use super::reader::{Part, Reader, Shape};

/// What the body of a store holds; known from the reader before anything is decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Extent {
    pub(super) shape: Shape,
    pub(super) train: usize,
    pub(super) test: usize,
}

impl Extent {
    pub(super) fn of(reader: &dyn Reader) -> Self {
        Self { shape: reader.shape(), train: reader.count(Part::Train), test: reader.count(Part::Test) }
    }

    /// Images of both parts.
    pub(super) fn images(&self) -> usize {
        self.train + self.test
    }

    /// Bytes of all pixels; the ids follow them.
    pub(super) fn pixel_bytes(&self) -> usize {
        self.images() * self.shape.values()
    }

    /// Bytes of the body.
    pub(super) fn body_bytes(&self) -> usize {
        self.pixel_bytes() + self.images() * 8
    }

    /// The numbers as they are hashed and written.
    pub(super) fn words(&self) -> [u64; 5] {
        let Shape { channels, height, width } = self.shape;
        [channels, height, width, self.train, self.test].map(|value| value as u64)
    }

    /// A hasher that has taken in the extent and waits for the body.
    pub(super) fn hasher(&self) -> blake3::Hasher {
        let mut hasher = blake3::Hasher::new_derive_key("ablate decoded images v1");
        for word in self.words() {
            hasher.update(&word.to_le_bytes());
        }
        hasher
    }
}

/// Where the bytes are.
#[derive(Debug)]
pub(super) enum Bytes {
    Mapped(Mmap),
    Memory(Vec<u8>),
}

impl Bytes {
    fn as_slice(&self) -> &[u8] {
        match self {
            Self::Mapped(map) => map,
            Self::Memory(bytes) => bytes,
        }
    }
}

/// All images of a data set, by row: training images first, test images after them.
#[derive(Debug)]
pub(super) struct Store {
    bytes: Bytes,
    body_start: usize,
    extent: Extent,
    ids: Vec<u64>,
    content_hash: [u8; 32],
}

impl Store {
    /// Takes over a body that starts at `body_start` of `bytes` and has the length `extent` asks for.
    pub(super) fn new(bytes: Bytes, body_start: usize, extent: Extent) -> Self {
        let body = &bytes.as_slice()[body_start..][..extent.body_bytes()];
        let content_hash = *extent.hasher().update(body).finalize().as_bytes();
        let (ids, _) = body[extent.pixel_bytes()..].as_chunks();
        let ids = ids.iter().map(|id| u64::from_le_bytes(*id)).collect();
        Self { bytes, body_start, extent, ids, content_hash }
    }

    pub(super) fn extent(&self) -> Extent {
        self.extent
    }

    pub(super) fn content_hash(&self) -> &[u8; 32] {
        &self.content_hash
    }

    /// The pixels of a row, C·H·W bytes.
    pub(super) fn image(&self, row: usize) -> &[u8] {
        let values = self.extent.shape.values();
        &self.bytes.as_slice()[self.body_start + row * values..][..values]
    }

    pub(super) fn id(&self, row: usize) -> u64 {
        self.ids[row]
    }
}
