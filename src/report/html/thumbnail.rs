//! A grid of samples as a small picture that a page can carry.
//!
//! In: `samples/step-….png` of a run folder that nobody vouches for. Out: a PNG or JPEG that this program encoded, so
//! that no byte of the file itself reaches a browser. Links are not followed, and what a picture would need is checked
//! before it is decoded.

use std::io::{self, Cursor};
use std::path::Path;

use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{DynamicImage, ImageFormat, ImageReader, Limits, imageops};

use crate::guard;
use crate::rundir::RunDir;

/// Longest side of a thumbnail.
const THUMBNAIL_SIDE: u32 = 320;
/// Longest side of a picture that a live page shows.
const LIVE_SIDE: u32 = 1024;
/// A PNG of more bytes becomes a JPEG where that is smaller.
const PNG_BYTES: usize = 16 << 10;
const JPEG_QUALITY: u8 = 85;
const FILE_LIMIT: u64 = 16 << 20;
const DECODED_LIMIT: u64 = 64 << 20;

/// A picture ready to be shown.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Picture {
    /// `image/png` or `image/jpeg`.
    pub(crate) media_type: &'static str,
    /// The file.
    pub(crate) bytes: Vec<u8>,
    /// Of the sample grid, before it was made smaller.
    pub(crate) size: (u32, u32),
}

/// The grid of a step, as large as a live page shows it.
pub(crate) fn read_sample(run: &RunDir, step: u64) -> io::Result<Picture> {
    read(&run.sample_path(step), LIVE_SIDE)
}

/// The grid of a step as a thumbnail.
pub(super) fn read_thumbnail(run: &RunDir, step: u64) -> io::Result<Picture> {
    read(&run.sample_path(step), THUMBNAIL_SIDE)
}

fn read(path: &Path, side: u32) -> io::Result<Picture> {
    // The file's own link is refused when it is opened, its folder's here.
    if path.parent().is_none_or(guard::is_link) {
        return Err(io::Error::other("its folder is a link, which is not followed"));
    }
    let file = guard::open(path)?;
    let bytes = guard::read_at_most(&file, FILE_LIMIT)?.ok_or_else(|| io::Error::other("it is too large"))?;
    shrunk(&bytes, side).map_err(io::Error::other)
}

fn shrunk(bytes: &[u8], side: u32) -> Result<Picture, image::ImageError> {
    let mut limits = Limits::default();
    limits.max_alloc = Some(DECODED_LIMIT);
    let mut reader = ImageReader::with_format(Cursor::new(bytes), ImageFormat::Png);
    reader.limits(limits);
    let decoded = reader.decode()?;
    let size = (decoded.width(), decoded.height());
    // Eight bits, grey or colours, as the samples are written.
    let plain = match decoded.color().has_color() {
        true => DynamicImage::ImageRgb8(decoded.into_rgb8()),
        false => DynamicImage::ImageLuma8(decoded.into_luma8()),
    };
    let small = if size.0.max(size.1) > side {
        plain.resize(side, side, imageops::FilterType::Triangle)
    } else {
        plain
    };
    let mut png = Vec::new();
    small.write_with_encoder(PngEncoder::new_with_quality(
        &mut png,
        CompressionType::Best,
        FilterType::Adaptive,
    ))?;
    if png.len() > PNG_BYTES {
        let mut jpeg = Vec::new();
        small.write_with_encoder(JpegEncoder::new_with_quality(&mut jpeg, JPEG_QUALITY))?;
        if jpeg.len() < png.len() {
            return Ok(Picture { media_type: "image/jpeg", bytes: jpeg, size });
        }
    }
    Ok(Picture { media_type: "image/png", bytes: png, size })
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{GrayImage, Luma, Rgb, RgbImage};

    fn png(picture: DynamicImage) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        picture.write_to(&mut bytes, ImageFormat::Png).unwrap();
        bytes.into_inner()
    }

    #[test]
    fn a_small_grid_keeps_its_pixels_and_a_large_noisy_one_becomes_a_jpeg() {
        let grey = GrayImage::from_fn(64, 32, |x, y| Luma([(x * 3 + y) as u8]));
        let small = shrunk(&png(grey.clone().into()), THUMBNAIL_SIDE).unwrap();
        assert_eq!((small.media_type, small.size), ("image/png", (64, 32)));
        assert_eq!(image::load_from_memory(&small.bytes).unwrap().into_luma8(), grey);

        let noise =
            |x: u32, y: u32| Rgb([x, y, x ^ y].map(|value| (value.wrapping_mul(2_654_435_761) >> 13) as u8));
        let large = shrunk(&png(RgbImage::from_fn(900, 600, noise).into()), THUMBNAIL_SIDE).unwrap();
        assert_eq!((large.media_type, large.size), ("image/jpeg", (900, 600)));
        let read = image::load_from_memory(&large.bytes).unwrap();
        assert_eq!((read.width(), read.height()), (320, 213));
    }

    #[test]
    fn what_is_no_picture_of_ours_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunDir::at(folder.path().join("seed-0"));
        std::fs::create_dir_all(run.samples_path()).unwrap();
        std::fs::write(run.sample_path(1), b"<svg onload=alert(1)>").unwrap();
        assert!(read_sample(&run, 1).is_err());
        assert_eq!(read_sample(&run, 2).unwrap_err().kind(), io::ErrorKind::NotFound);
        std::fs::write(folder.path().join("real.png"), png(GrayImage::new(8, 8).into())).unwrap();
        std::os::unix::fs::symlink(folder.path().join("real.png"), run.sample_path(3)).unwrap();
        assert!(read_sample(&run, 3).unwrap_err().to_string().contains("it is a link"));
        std::fs::copy(folder.path().join("real.png"), run.sample_path(4)).unwrap();
        assert!(read_sample(&run, 4).is_ok());
        let elsewhere = RunDir::at(folder.path().join("seed-1"));
        std::fs::create_dir(elsewhere.path()).unwrap();
        std::os::unix::fs::symlink(run.samples_path(), elsewhere.samples_path()).unwrap();
        assert!(read_sample(&elsewhere, 4).unwrap_err().to_string().contains("is a link"));
    }
}
