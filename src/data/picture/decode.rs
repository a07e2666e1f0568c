//! From a file's bytes to an upright picture of 8-bit grey or RGB values.
//!
//! Transparent pixels are blended with white, 16-bit values rounded to 8 bits, palettes looked up, the EXIF
//! orientation applied; of an animation the first frame is taken. A file may claim any size: what it would
//! need is checked before anything is allocated.

use std::io::Cursor;

use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits};

use super::jpeg;
use super::square::Picture;

/// Most bytes of a decoded file, 67 million RGB pixels: above nearly any photograph, and all cores decode at once.
pub(super) const MAX_DECODED_BYTES: u64 = 192 << 20;

/// Whether a file that begins with these bytes is one of those that are read.
pub(in crate::data) fn is_picture(start: &[u8]) -> bool {
    format(start).is_some()
}

/// Decodes a file; for `channels` = 1 it may take a shorter way to the grey values.
pub(super) fn decode(bytes: &[u8], channels: usize) -> Result<Picture, String> {
    let (decoded, orientation) = match format(bytes) {
        Some(ImageFormat::Jpeg) => jpeg::decode(bytes, channels)?,
        Some(format) => with_image_crate(bytes, format).map_err(|error| reason(format, error))?,
        None if bytes.is_empty() => return Err("it is empty".to_owned()),
        None => return Err("it is neither a PNG nor a JPEG nor a WebP file".to_owned()),
    };
    if orientation == Orientation::NoTransforms {
        return Ok(decoded);
    }
    let mut turned = decoded.into_image();
    turned.apply_orientation(orientation);
    Ok(flatten(turned))
}

fn format(bytes: &[u8]) -> Option<ImageFormat> {
    let format = image::guess_format(bytes).ok()?;
    [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::WebP].contains(&format).then_some(format)
}

fn with_image_crate(bytes: &[u8], format: ImageFormat) -> Result<(Picture, Orientation), ImageError> {
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(MAX_DECODED_BYTES);
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    reader.limits(limits.clone());
    let mut decoder = reader.into_decoder()?;
    limits.reserve(decoder.total_bytes())?;
    // A broken orientation is no reason to do without the picture.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    Ok((flatten(DynamicImage::from_decoder(decoder)?), orientation))
}

fn reason(format: ImageFormat, error: ImageError) -> String {
    let format = match format {
        ImageFormat::Png => "PNG",
        _ => "WebP",
    };
    match error {
        ImageError::Limits(_) => too_large(),
        ImageError::IoError(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            format!("its {format} data is cut short")
        }
        error => format!("its {format} data is damaged ({error})"),
    }
}

/// What is said of a file that asks for too much memory.
pub(super) fn too_large() -> String {
    format!("decoded it would take more than {} MiB", MAX_DECODED_BYTES >> 20)
}

/// Grey stays grey; everything else becomes RGB.
fn flatten(image: DynamicImage) -> Picture {
    let (width, height) = (image.width() as usize, image.height() as usize);
    let color = image.color();
    let (channels, pixels) = match (color.has_color(), color.has_alpha()) {
        (false, false) => (1, image.into_luma8().into_raw()),
        (false, true) => (1, over_white::<2>(image.into_luma_alpha8().as_raw())),
        (true, false) => (3, image.into_rgb8().into_raw()),
        (true, true) => (3, over_white::<4>(image.into_rgba8().as_raw())),
    };
    Picture { width, height, channels, pixels }
}

/// Blends pixels of N − 1 colours and an opacity with white, rounding to the nearest value.
fn over_white<const N: usize>(pixels: &[u8]) -> Vec<u8> {
    let (pixels, _) = pixels.as_chunks::<N>();
    let mut out = Vec::with_capacity(pixels.len() * (N - 1));
    for pixel in pixels {
        let opacity = u32::from(pixel[N - 1]);
        let blend = |&value: &u8| ((u32::from(value) * opacity + 255 * (255 - opacity) + 127) / 255) as u8;
        out.extend(pixel[..N - 1].iter().map(blend));
    }
    out
}

#[cfg(test)]
#[path = "decode_tests.rs"]
mod tests;
