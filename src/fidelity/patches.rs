//! Patches of pictures: 7×7 pixels of one band, at places that the picture's number decides.
//!
//! In: pictures. Out: one row a patch, channel after channel, each channel of mean 0 and variance 1 over the whole set.
//! The places depend on the band and the picture's number alone: equal sets give equal patches, and every network is
//! measured at the same places.

use rayon::prelude::*;

use super::pyramid::band;
use crate::data::Stream;

/// Side of a patch.
pub(super) const SIDE: usize = 7;
/// Patches of one picture.
const EACH: usize = 128;

/// A set of pictures: C·H·W bytes each, all of one size, as high as wide.
#[derive(Debug, Clone)]
pub(crate) struct Pictures<'a> {
    images: Vec<&'a [u8]>,
    channels: usize,
    size: usize,
}

impl<'a> Pictures<'a> {
    /// Those of `shape` (C, H, W).
    pub(crate) fn new(images: Vec<&'a [u8]>, [channels, size, _]: [usize; 3]) -> Self {
        Self { images, channels, size }
    }

    /// The first so many.
    pub(super) fn first(&self, count: usize) -> Self {
        Self { images: self.images[..count.min(self.images.len())].to_vec(), ..*self }
    }

    /// Height and width.
    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// Length of a patch.
    pub(super) fn patch_values(&self) -> usize {
        self.channels * SIDE * SIDE
    }

    /// The patches of one band, normalised.
    pub(super) fn patches(&self, place: usize, side: usize) -> Vec<f32> {
        let stream = Stream::new(0, &format!("eval/swd/patches/{side}"));
        let cut = |(number, image): (usize, &&[u8])| self.cut(image, number as u64, (place, side), &stream);
        let mut patches = Vec::with_capacity(self.images.len() * EACH * self.patch_values());
        // A group at a time, so that no more than the patches themselves are held.
        for (group, images) in self.images.chunks(256).enumerate() {
            let numbered = images.par_iter().enumerate().map(|(at, image)| (group * 256 + at, image));
            let cut: Vec<Vec<f32>> = numbered.map(cut).collect();
            patches.extend(cut.into_iter().flatten());
        }
        self.normalise(&mut patches);
        patches
    }

    fn cut(&self, image: &[u8], number: u64, (place, side): (usize, usize), stream: &Stream) -> Vec<f32> {
        let planes = image.chunks(self.size * self.size).map(|plane| {
            let plane: Vec<f64> = plane.iter().map(|byte| f64::from(*byte)).collect();
            band(&plane, self.size, place)
        });
        let planes: Vec<Vec<f64>> = planes.collect();
        let mut draw = stream.at(number);
        let choices = (side - SIDE + 1) as u64;
        let mut out = Vec::with_capacity(EACH * self.patch_values());
        for _ in 0..EACH {
            let (top, left) = (draw.below(choices) as usize, draw.below(choices) as usize);
            for plane in &planes {
                for row in top..top + SIDE {
                    out.extend(plane[row * side + left..][..SIDE].iter().map(|value| *value as f32));
                }
            }
        }
        out
    }

    /// Mean 0 and variance 1 per channel; a channel that is the same everywhere becomes 0.
    fn normalise(&self, patches: &mut [f32]) {
        const AREA: usize = SIDE * SIDE;
        let length = self.patch_values();
        for channel in 0..self.channels {
            let range = channel * AREA..(channel + 1) * AREA;
            let sum = |term: &dyn Fn(f64) -> f64| -> f64 {
                let of_patch =
                    |patch: &[f32]| patch[range.clone()].iter().map(|v| term(f64::from(*v))).sum::<f64>();
                patches.chunks(length).map(of_patch).sum()
            };
            let count = (patches.len() / self.channels) as f64;
            let mean = sum(&|value| value) / count;
            let deviation = (sum(&|value| (value - mean).powi(2)) / count).sqrt();
            let scale = if deviation > 0.0 { deviation.recip() } else { 0.0 };
            for value in patches.chunks_mut(length).flat_map(|patch| &mut patch[range.clone()]) {
                *value = ((f64::from(*value) - mean) * scale) as f32;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pictures(count: usize, [channels, size, _]: [usize; 3]) -> Vec<Vec<u8>> {
        let value = |at: usize| (at * 31 % 257 % 256) as u8;
        (0..count).map(|k| (0..channels * size * size).map(|at| value(at + 100 * k)).collect()).collect()
    }

    #[test]
    fn each_channel_of_a_set_has_mean_zero_and_variance_one() {
        let shape = [3, 16, 16];
        let images = pictures(5, shape);
        let set = Pictures::new(images.iter().map(Vec::as_slice).collect(), shape);
        let patches = set.patches(0, 16);
        assert_eq!(patches.len(), 5 * EACH * 3 * 49);
        for channel in 0..3 {
            let of_channel = || {
                patches
                    .chunks(147)
                    .flat_map(move |patch| &patch[49 * channel..][..49])
                    .copied()
                    .map(f64::from)
            };
            let count = of_channel().count() as f64;
            let mean = of_channel().sum::<f64>() / count;
            let variance = of_channel().map(|value| value * value).sum::<f64>() / count;
            assert!(mean.abs() < 1e-6 && (variance - 1.0).abs() < 1e-5, "{mean} {variance}");
        }
    }

    #[test]
    fn a_patch_is_seven_rows_of_its_picture() {
        // One bright pixel: in 7x7 places of each patch that has it at all.
        let mut image = vec![0; 8 * 8];
        image[3 * 8 + 4] = 255;
        let set = Pictures::new(vec![&image], [1, 8, 8]);
        let patches = set.patches(0, 8);
        let places: std::collections::BTreeSet<Option<usize>> =
            patches.chunks(49).map(|patch| patch.iter().position(|value| *value > 1.0)).collect();
        // Four places for the patch: the pixel is at row 3 or 2, column 4 or 3.
        assert_eq!(places.into_iter().flatten().collect::<Vec<_>>(), [17, 18, 24, 25]);
    }

    #[test]
    fn a_grey_set_of_one_value_has_patches_of_nothing() {
        let image = vec![7; 64];
        assert!(Pictures::new(vec![&image], [1, 8, 8]).patches(0, 8).iter().all(|value| *value == 0.0));
    }
}
