//! The decoded images of one data set: 8-bit, channel after channel; mapped from the cache, held in memory, or
//! decoded again each time.
//!
//! In: an [`Index`] and where the pixels are. Out: pixels and id of every row, training images first. A stream
//! gives the bytes the cache would give, or an error: the id of each image read is held against the index.

use memmap2::Mmap;
use rayon::prelude::*;

use super::error::Error;
use super::index::{Extent, Index};
use super::reader::Images;

/// Where the pixels are.
#[derive(Debug)]
pub(super) enum Pixels {
    /// In a file, from an offset on.
    Mapped(Mmap, usize),
    Memory(Vec<u8>),
    /// In the data set's own files: of the training part and of the test part, where it has images.
    Streamed([Option<Box<dyn Images>>; 2]),
}

/// All images of a data set by row: training images first, test images after them.
#[derive(Debug)]
pub(super) struct Store {
    pixels: Pixels,
    extent: Extent,
    ids: Vec<u64>,
    /// Only a stream needs them.
    positions: Vec<u32>,
    content_hash: [u8; 32],
}

impl Store {
    pub(super) fn new(index: Index, pixels: Pixels) -> Self {
        let content_hash = index.content_hash();
        let Index { extent, ids, mut positions, .. } = index;
        if !matches!(pixels, Pixels::Streamed(_)) {
            positions = Vec::new();
        }
        Self { pixels, extent, ids, positions, content_hash }
    }

    pub(super) fn extent(&self) -> Extent {
        self.extent
    }

    pub(super) fn content_hash(&self) -> &[u8; 32] {
        &self.content_hash
    }

    pub(super) fn id(&self, row: usize) -> u64 {
        self.ids[row]
    }

    pub(super) fn is_streamed(&self) -> bool {
        matches!(self.pixels, Pixels::Streamed(_))
    }

    /// The pixels of a row, unless they are streamed.
    pub(super) fn held(&self, row: usize) -> Option<&[u8]> {
        let values = self.extent.shape.values();
        match &self.pixels {
            Pixels::Mapped(map, start) => Some(&map[start + row * values..][..values]),
            Pixels::Memory(bytes) => Some(&bytes[row * values..][..values]),
            Pixels::Streamed(_) => None,
        }
    }

    /// Writes the pixels of some rows into `out`, one after the other; a stream decodes them on all cores.
    pub(super) fn read(&self, rows: &[u32], out: &mut [u8]) -> Result<(), Error> {
        let values = self.extent.shape.values();
        if let Pixels::Streamed(parts) = &self.pixels {
            let rows = rows.par_iter().zip(out.par_chunks_exact_mut(values));
            return rows.try_for_each(|(&row, pixels)| self.decode(parts, row as usize, pixels));
        }
        for (&row, pixels) in rows.iter().zip(out.chunks_exact_mut(values)) {
            pixels.copy_from_slice(self.held(row as usize).expect("only a stream does not hold its pixels"));
        }
        Ok(())
    }

    fn decode(
        &self,
        parts: &[Option<Box<dyn Images>>; 2],
        row: usize,
        pixels: &mut [u8],
    ) -> Result<(), Error> {
        let part = &parts[usize::from(row >= self.extent.train)];
        let images = part.as_ref().expect("a part with rows has images");
        let position = self.positions[row] as usize;
        if images.read(position, pixels)? == self.ids[row] {
            Ok(())
        } else {
            Err(Error::Changed { image: images.label(position) })
        }
    }
}
