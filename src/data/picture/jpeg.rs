//! JPEG files.
//!
//! The `image` crate decodes them too, but leniently: it fills what a truncated file lacks with grey and says
//! nothing. Here the same decoder works strictly, and a file that ends before its end marker is refused.

use image::metadata::Orientation;
use zune_jpeg::JpegDecoder;
use zune_jpeg::errors::DecodeErrors;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::decode::{MAX_DECODED_BYTES, too_large};
use super::square::Picture;

/// Decodes to grey (grey files, and any with luminance where `channels` is 1) or to RGB.
pub(super) fn decode(bytes: &[u8], channels: usize) -> Result<(Picture, Orientation), String> {
    let damaged = |error: DecodeErrors| match error {
        DecodeErrors::ExhaustedData | DecodeErrors::IoErrors(_) => cut_short(),
        error => format!("its JPEG data is damaged ({error})"),
    };
    // A side takes 16 bits in a JPEG file; memory is checked below. Odd headers are no damage to the picture.
    let options = DecoderOptions::default()
        .set_strict_mode(false)
        .set_max_width(usize::from(u16::MAX))
        .set_max_height(usize::from(u16::MAX));
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(damaged)?;
    let target = match decoder.input_colorspace() {
        Some(ColorSpace::Luma) => ColorSpace::Luma,
        Some(ColorSpace::YCbCr) if channels == 1 => ColorSpace::Luma,
        _ => ColorSpace::RGB,
    };
    decoder.set_options(options.set_strict_mode(true).jpeg_set_out_colorspace(target));
    let (width, height) = decoder.dimensions().unwrap_or_default();
    let channels = target.num_components();
    if (width * height * channels) as u64 > MAX_DECODED_BYTES {
        return Err(too_large());
    }
    let orientation = decoder.exif().and_then(|exif| Orientation::from_exif_chunk(exif));
    let pixels = decoder.decode().map_err(damaged)?;
    if !has_end_marker(bytes) {
        return Err(cut_short());
    }
    Ok((Picture { width, height, channels, pixels }, orientation.unwrap_or(Orientation::NoTransforms)))
}

fn cut_short() -> String {
    "its JPEG data is cut short".to_owned()
}

/// Whether an end-of-image marker follows the start of the scan. In the scan itself 0xff is always followed
/// by another byte; a thumbnail has an end marker too, but in the header.
fn has_end_marker(bytes: &[u8]) -> bool {
    let scan = start_of_scan(bytes).unwrap_or(bytes.len());
    bytes[scan..].windows(2).rev().any(|pair| pair == [0xff, 0xd9])
}

/// Walks the header's segments: a marker, and a length that counts itself.
fn start_of_scan(bytes: &[u8]) -> Option<usize> {
    let mut at = 2;
    loop {
        at += bytes.get(at..)?.iter().position(|&byte| byte == 0xff)?;
        at += bytes[at..].iter().position(|&byte| byte != 0xff)?;
        let marker = bytes[at];
        at += 1;
        match marker {
            0xda => return Some(at),
            0x00 | 0x01 | 0xd0..=0xd8 => {}
            _ => at += usize::from(u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?])),
        }
    }
}
