//! Tests of the decoder on files written here: every format and kind of pixel, and every kind of damage.

use image::{GrayAlphaImage, GrayImage, ImageBuffer, Luma, Rgb, RgbImage, RgbaImage};

use super::*;

fn file(image: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.into().write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// Smooth, so that JPEG changes little.
fn colours(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| Rgb([(3 * x) as u8, (2 * y) as u8, (x + y) as u8]))
}

#[track_caller]
fn decoded(bytes: &[u8], channels: usize) -> Picture {
    decode(bytes, channels).unwrap()
}

fn refusal(bytes: &[u8]) -> String {
    decode(bytes, 3).unwrap_err()
}

/// An EXIF segment that gives the orientation, to follow a JPEG file's first two bytes.
fn exif(orientation: u8) -> Vec<u8> {
    let tiff =
        [b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0", &[orientation, 0, 0, 0, 0, 0, 0, 0][..]].concat();
    let length = (2 + 6 + tiff.len() as u16).to_be_bytes();
    [&[0xff, 0xe1], &length[..], b"Exif\0\0", &tiff].concat()
}

#[test]
fn lossless_formats_give_every_pixel_back() {
    let image = colours(17, 11);
    let expected = Picture { width: 17, height: 11, channels: 3, pixels: image.as_raw().clone() };
    for format in [ImageFormat::Png, ImageFormat::WebP] {
        assert_eq!(decoded(&file(image.clone(), format), 3), expected);
    }
    let grey = GrayImage::from_fn(9, 4, |x, y| Luma([(x * 20 + y) as u8]));
    let picture = decoded(&file(grey.clone(), ImageFormat::Png), 3);
    assert_eq!(picture, Picture { width: 9, height: 4, channels: 1, pixels: grey.into_raw() });
}

#[test]
fn a_jpeg_file_is_close_to_what_was_written_in_colour_and_in_grey() {
    let image = colours(80, 60);
    let bytes = file(image.clone(), ImageFormat::Jpeg);
    let close = |found: &[u8], expected: &[u8]| {
        let sum: u32 = found.iter().zip(expected).map(|(a, b)| u32::from(a.abs_diff(*b))).sum();
        assert!(found.len() == expected.len() && sum < 3 * found.len() as u32, "{sum} over {}", found.len());
    };
    close(&decoded(&bytes, 3).pixels, image.as_raw());
    let luma = decoded(&bytes, 1);
    assert_eq!(luma.channels, 1);
    let weigh =
        |p: &Rgb<u8>| 0.299 * f32::from(p.0[0]) + 0.587 * f32::from(p.0[1]) + 0.114 * f32::from(p.0[2]);
    close(&luma.pixels, &image.pixels().map(|pixel| weigh(pixel) as u8).collect::<Vec<_>>());
    let grey = GrayImage::from_fn(40, 30, |x, y| Luma([(x + 4 * y) as u8]));
    let bytes = file(grey.clone(), ImageFormat::Jpeg);
    for channels in [1, 3] {
        assert_eq!(decoded(&bytes, channels).channels, 1);
        close(&decoded(&bytes, channels).pixels, grey.as_raw());
    }
}

#[test]
fn transparent_pixels_are_blended_with_white() {
    let image = RgbaImage::from_raw(3, 1, vec![9, 8, 7, 255, 9, 8, 7, 0, 100, 0, 200, 128]).unwrap();
    assert_eq!(decoded(&file(image, ImageFormat::Png), 3).pixels, [9, 8, 7, 255, 255, 255, 177, 127, 227]);
    let grey = GrayAlphaImage::from_raw(2, 1, vec![40, 255, 40, 51]).unwrap();
    let picture = decoded(&file(grey, ImageFormat::Png), 3);
    assert_eq!((picture.channels, picture.pixels), (1, vec![40, 212]));
}

#[test]
fn sixteen_bit_values_are_rounded_to_eight() {
    let values = vec![0_u16, 128, 129, 257, 32_768, 65_407, 65_408, 65_535, 1000];
    let image = ImageBuffer::<Rgb<u16>, _>::from_raw(3, 1, values).unwrap();
    let pixels = decoded(&file(image, ImageFormat::Png), 3).pixels;
    assert_eq!(pixels, [0, 0, 1, 1, 128, 255, 255, 255, 4]);
    let grey = ImageBuffer::<Luma<u16>, _>::from_raw(2, 1, vec![65_535_u16, 2570]).unwrap();
    assert_eq!(decoded(&file(grey, ImageFormat::Png), 1).pixels, [255, 10]);
}

#[test]
fn the_orientation_of_a_photograph_is_applied() {
    // Left half black, right half white; a quarter turn clockwise puts black at the top.
    let image = GrayImage::from_fn(32, 16, |x, _| Luma([if x < 16 { 0 } else { 255 }]));
    let plain = file(image, ImageFormat::Jpeg);
    let with = |orientation| [&plain[..2], &exif(orientation), &plain[2..]].concat();
    let shape = |bytes: &[u8]| {
        let picture = decoded(bytes, 1);
        let last = picture.pixels.len() - 1;
        (picture.width, picture.height, picture.pixels[0] > 128, picture.pixels[last] > 128)
    };
    assert_eq!(shape(&plain), (32, 16, false, true));
    assert_eq!(shape(&with(1)), (32, 16, false, true));
    assert_eq!(shape(&with(3)), (32, 16, true, false));
    assert_eq!(shape(&with(6)), (16, 32, false, true));
    assert_eq!(shape(&with(8)), (16, 32, true, false));
}

#[test]
fn a_file_that_is_cut_anywhere_is_refused() {
    let image = colours(40, 40);
    for format in [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::WebP] {
        let bytes = file(image.clone(), format);
        for length in (0..bytes.len() - 4).step_by(5) {
            assert!(decode(&bytes[..length], 3).is_err(), "{format:?} of {length} of {} bytes", bytes.len());
        }
    }
    let bytes = file(image, ImageFormat::Jpeg);
    assert_eq!(refusal(&bytes[..bytes.len() - 2]), "its JPEG data is cut short");
}

#[test]
fn an_end_marker_in_a_thumbnail_does_not_make_a_cut_file_whole() {
    let bytes = file(colours(40, 40), ImageFormat::Jpeg);
    let thumbnail = [&[0xff, 0xfe, 0, 6], &[0xff, 0xd9, 0xff, 0xd9][..]].concat();
    let with = [&bytes[..2], &thumbnail, &bytes[2..]].concat();
    decoded(&with, 3);
    assert_eq!(refusal(&with[..with.len() - 2]), "its JPEG data is cut short");
}

#[test]
fn what_is_no_picture_is_called_so() {
    assert_eq!(refusal(b""), "it is empty");
    let other = "it is neither a PNG nor a JPEG nor a WebP file";
    assert_eq!(refusal(b"<!DOCTYPE html><html>"), other);
    assert_eq!(refusal(b"GIF89a\x01\0\x01\0\0\0\0;"), other);
    assert!(is_picture(b"\xff\xd8\xff\xe0") && is_picture(b"RIFF\0\0\0\0WEBPVP8 ") && !is_picture(b"RIFF"));
}

#[test]
fn a_file_that_asks_for_too_much_memory_is_refused_before_it_gets_any() {
    let large = "decoded it would take more than 192 MiB";
    let mut png = file(colours(8, 8), ImageFormat::Png);
    png[16..24].copy_from_slice(&[0, 0, 0xff, 0xff, 0, 0, 0xff, 0xff]);
    let crc = checksum(&png[12..29]);
    png[29..33].copy_from_slice(&crc.to_be_bytes());
    assert_eq!(refusal(&png), large);
    let mut jpeg = file(colours(8, 8), ImageFormat::Jpeg);
    let frame = jpeg.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
    jpeg[frame + 5..frame + 9].fill(0xff);
    assert_eq!(refusal(&jpeg), large);
}

/// The checksum of a PNG chunk.
fn checksum(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}
