//! Going through all images of a data set once: decoded by all cores, handed on in order.
//!
//! In: a reader. Out: the pixels of every usable image, in file order, to `put`; and the [`Index`]. A group of
//! images is decoded at a time, so memory is bounded however many there are, and what comes out depends on
//! neither the number of threads nor their luck. Unusable images are collected: a user should learn of all of
//! them at once.

use std::io;

use rayon::prelude::*;

use super::error::Error;
use super::index::{Index, PixelHash, pixel_hash};
use super::reader::{Images, Part, Reader};

/// Most bytes of decoded pixels in memory.
const GROUP_BYTES: usize = 32 << 20;

/// Told after every group how many images are done, of how many.
pub(super) type Report<'a> = &'a mut dyn FnMut(usize, usize);

/// Which side of the copy failed: only the second can be done without.
pub(super) enum Failure {
    Source(Error),
    Storage(io::Error),
}

/// Decodes everything.
pub(super) fn survey(
    reader: &dyn Reader,
    put: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    report: Report<'_>,
) -> Result<Index, Failure> {
    let values = reader.shape().values();
    let group = (GROUP_BYTES / values).clamp(2 * rayon::current_num_threads(), 4096);
    let mut buffer = vec![0; group * values];
    let mut index = Index::new(reader.shape());
    let total = Part::ALL.map(|part| reader.count(part)).iter().sum();
    let mut done = 0;
    for part in Part::ALL {
        let count = reader.count(part);
        if count == 0 {
            continue;
        }
        let images = reader.images(part).map_err(Failure::Source)?;
        for first in (0..count).step_by(group) {
            let buffer = &mut buffer[..(count - first).min(group) * values];
            let decoded = decode(images.as_ref(), first, values, buffer);
            for (i, (image, pixels)) in decoded.into_iter().zip(buffer.chunks_exact(values)).enumerate() {
                match image {
                    Ok((id, hash)) => {
                        index.push(part, first + i, id, hash);
                        put(pixels).map_err(Failure::Storage)?;
                    }
                    Err(Error::Image { path, reason }) => index.corrupt.add(path, reason),
                    Err(error) => return Err(Failure::Source(error)),
                }
            }
            done += buffer.len() / values;
            report(done, total);
        }
    }
    Ok(index)
}

/// Decodes the images from `first` on into `buffer`; what each gives, in order.
fn decode(
    images: &dyn Images,
    first: usize,
    values: usize,
    buffer: &mut [u8],
) -> Vec<Result<(u64, PixelHash), Error>> {
    let places = buffer.par_chunks_exact_mut(values).enumerate();
    places.map(|(i, pixels)| Ok((images.read(first + i, pixels)?, pixel_hash(pixels)))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::shapes::Shapes;

    #[test]
    fn the_number_of_threads_changes_no_byte() {
        let survey_with = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let mut pixels = Vec::new();
            let reader = Shapes::new(8, 3);
            let index = pool.install(|| {
                let put = &mut |bytes: &[u8]| {
                    pixels.extend_from_slice(bytes);
                    Ok(())
                };
                survey(&reader, put, &mut |_, _| {})
            });
            (index.ok().unwrap(), blake3::hash(&pixels))
        };
        let one = survey_with(1);
        for threads in [2, 3, 7] {
            assert!(survey_with(threads) == one, "{threads} threads");
        }
    }
}
