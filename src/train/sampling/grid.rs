//! Samples as a picture: tiles in rows, enlarged where they are small.
//!
//! In: images near [-1, 1]. Out: one file of a format that its name says.

use std::io::Cursor;
use std::path::Path;

use image::{ImageBuffer, ImageFormat, Luma, Rgb};

use crate::rundir::{Disk, files};
use crate::train::Error;

/// Samples as bytes.
pub(in crate::train) struct Grid {
    /// Each C·H·W.
    images: Vec<Vec<u8>>,
    channels: usize,
    size: usize,
}

/// Smallest side of a tile in pixels: smaller images are enlarged by a whole factor, so that a person sees them.
const TILE_PIXELS: usize = 56;
const GAP_PIXELS: usize = 4;

impl Grid {
    /// An empty one, for images of `[C, H, W]` with H = W.
    pub(in crate::train) fn of([channels, size, _]: [usize; 3]) -> Self {
        Self { images: vec![], channels, size }
    }

    /// Adds images, one after another: (x/2 + 0.5) clamped to 0…1, then to bytes.
    pub(in crate::train) fn push(&mut self, values: &[f32]) {
        let byte = |value: &f32| ((value / 2.0 + 0.5).clamp(0.0, 1.0) * 255.0).round() as u8;
        let images = values.chunks(self.channels * self.size * self.size);
        self.images.extend(images.map(|image| image.iter().map(byte).collect::<Vec<_>>()));
    }

    /// Writes all of them, in rows of about √n.
    pub(in crate::train) fn write(&self, path: &Path) -> Result<(), Error> {
        let Self { images, channels, size } = self;
        let columns = (images.len() as f64).sqrt().ceil() as usize;
        let rows = images.len().div_ceil(columns.max(1));
        let factor = TILE_PIXELS.div_ceil(*size);
        let tile = size * factor + GAP_PIXELS;
        let (width, height) = (columns * tile + GAP_PIXELS, rows * tile + GAP_PIXELS);
        let value = |x: u32, y: u32, channel: usize| -> u8 {
            let (x, y) = ((x as usize).wrapping_sub(GAP_PIXELS), (y as usize).wrapping_sub(GAP_PIXELS));
            let (column, row) = (x / tile, y / tile);
            let (inner_x, inner_y) = (x % tile / factor, y % tile / factor);
            let inside = column < columns && inner_x < *size && inner_y < *size;
            match images.get(row * columns + column) {
                Some(image) if inside => image[(channel * size + inner_y) * size + inner_x],
                _ => 255,
            }
        };
        let (w, h) = (width as u32, height as u32);
        let mut bytes = Cursor::new(Vec::new());
        ImageFormat::from_path(path)
            .and_then(|format| {
                if *channels == 1 {
                    ImageBuffer::from_fn(w, h, |x, y| Luma([value(x, y, 0)])).write_to(&mut bytes, format)
                } else {
                    let pixel = |x, y| Rgb(std::array::from_fn(|c| value(x, y, c)));
                    ImageBuffer::from_fn(w, h, pixel).write_to(&mut bytes, format)
                }
            })
            .map_err(|source| Error::Image { path: path.into(), source })?;
        // Whole or not at all, for whoever looks at the folder meanwhile.
        Ok(files::replace_unsynced(&Disk, path, bytes.get_ref())?)
    }
}
