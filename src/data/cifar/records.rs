//! The images of CIFAR's files, one at a time.

use std::fs::File;
use std::os::unix::fs::FileExt;

use super::super::error::Error;
use super::super::picture::Picture;
use super::super::reader::{Images, Part, Shape, image_id};
use super::{Batch, Family, IMAGE_BYTES, NATIVE_SIZE};

/// The records of a part's files.
#[derive(Debug)]
pub(super) struct Records {
    pub(super) family: &'static Family,
    pub(super) part: Part,
    pub(super) shape: Shape,
    pub(super) batches: Vec<(Batch, File)>,
}

impl Records {
    /// The file that has a position, and the number of the record in it.
    fn find(&self, position: usize) -> (&Batch, &File, usize) {
        let mut record = position;
        for (batch, file) in &self.batches {
            if record < batch.images {
                return (batch, file, record);
            }
            record -= batch.images;
        }
        unreachable!("a position is below the number of images of all files")
    }
}

impl Images for Records {
    fn read(&self, position: usize, pixels: &mut [u8]) -> Result<u64, Error> {
        let (batch, file, record) = self.find(position);
        let mut bytes = vec![0; self.family.record_bytes()];
        file.read_exact_at(&mut bytes, (record * self.family.record_bytes()) as u64)
            .map_err(Error::io("read", &batch.path))?;
        let (labels, native) = bytes.split_at(self.family.classes.len());
        self.family.check_labels(&batch.path, record, labels)?;
        if self.shape == Shape::square(3, NATIVE_SIZE) {
            pixels.copy_from_slice(native);
        } else {
            interleaved(native).fit(self.shape, pixels);
        }
        Ok(image_id(self.family.name, self.part, position as u64, native))
    }

    fn label(&self, position: usize) -> String {
        let (batch, _, record) = self.find(position);
        format!("record {record} of {}", batch.path.display())
    }
}

/// From planes to pixels.
fn interleaved(native: &[u8]) -> Picture {
    let plane = NATIVE_SIZE * NATIVE_SIZE;
    let pixels = (0..IMAGE_BYTES).map(|i| native[i % 3 * plane + i / 3]).collect();
    Picture { width: NATIVE_SIZE, height: NATIVE_SIZE, channels: 3, pixels }
}
