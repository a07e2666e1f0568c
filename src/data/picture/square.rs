//! The middle square of a picture at the size asked for.
//!
//! The largest square in the centre (off by half a pixel where the sides differ by an odd number) is resized by a bicubic filter (Keys 1981, a = −1/2) that widens when it shrinks, so that fine
//! patterns do not alias: what Pillow's `ImageOps.fit` does with `BICUBIC`. Grey is made of RGB after that,
//! with the weights of ITU-R BT.601.

use std::cell::RefCell;

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use image::{DynamicImage, GrayImage, RgbImage};

use crate::data::reader::Shape;

thread_local! {
    /// Keeps its buffers from one picture to the next.
    static RESIZER: RefCell<Resizer> = RefCell::new(Resizer::new());
}

/// 8-bit pixels, row after row, the channels of a pixel together.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::data) struct Picture {
    pub(in crate::data) width: usize,
    pub(in crate::data) height: usize,
    /// 1 (grey) or 3 (RGB).
    pub(in crate::data) channels: usize,
    pub(in crate::data) pixels: Vec<u8>,
}

impl Picture {
    /// Writes the middle square into `out`: C·H·W bytes of `shape`, channel after channel.
    pub(in crate::data) fn fit(&self, shape: Shape, out: &mut [u8]) {
        if (self.width, self.height) == (shape.width, shape.height) {
            split_channels(&self.pixels, self.channels, shape.channels, out);
        } else {
            split_channels(&self.resized(shape), self.channels, shape.channels, out);
        }
    }

    fn resized(&self, shape: Shape) -> Vec<u8> {
        const SIZES: &str = "a picture has as many bytes as its sides say, and no side is zero";
        let kind = if self.channels == 1 { PixelType::U8 } else { PixelType::U8x3 };
        let source = ImageRef::new(self.width as u32, self.height as u32, &self.pixels, kind).expect(SIZES);
        let mut resized = Image::new(shape.width as u32, shape.height as u32, kind);
        let options = ResizeOptions::new()
            .resize_alg(ResizeAlg::Convolution(FilterType::CatmullRom))
            .fit_into_destination(Some((0.5, 0.5)));
        RESIZER.with_borrow_mut(|resizer| resizer.resize(&source, &mut resized, &options)).expect(SIZES);
        resized.into_vec()
    }

    /// The same pixels as the `image` crate holds them.
    pub(super) fn into_image(self) -> DynamicImage {
        const SIZES: &str = "a picture has as many bytes as its sides say";
        let (width, height) = (self.width as u32, self.height as u32);
        if self.channels == 1 {
            GrayImage::from_raw(width, height, self.pixels).expect(SIZES).into()
        } else {
            RgbImage::from_raw(width, height, self.pixels).expect(SIZES).into()
        }
    }
}

/// From pixels to planes, between grey and RGB where they differ.
fn split_channels(pixels: &[u8], from: usize, to: usize, out: &mut [u8]) {
    let plane = out.len() / to;
    match (from, to) {
        (1, _) => out.chunks_exact_mut(plane).for_each(|channel| channel.copy_from_slice(pixels)),
        (_, 1) => {
            let (pixels, _) = pixels.as_chunks::<3>();
            out.iter_mut().zip(pixels).for_each(|(grey, &pixel)| *grey = luminance(pixel));
        }
        _ => {
            let (pixels, _) = pixels.as_chunks::<3>();
            for (i, channel) in out.chunks_exact_mut(plane).enumerate() {
                channel.iter_mut().zip(pixels).for_each(|(value, pixel)| *value = pixel[i]);
            }
        }
    }
}

/// 0.299 R + 0.587 G + 0.114 B in 16-bit fixed point.
fn luminance([r, g, b]: [u8; 3]) -> u8 {
    ((u32::from(r) * 19_595 + u32::from(g) * 38_470 + u32::from(b) * 7_471 + 0x8000) >> 16) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fitted(picture: &Picture, channels: usize, size: usize) -> Vec<u8> {
        let mut out = vec![0; channels * size * size];
        picture.fit(Shape::square(channels, size), &mut out);
        out
    }

    fn grey(width: usize, height: usize, value: impl Fn(usize, usize) -> u8) -> Picture {
        let pixels = (0..width * height).map(|i| value(i % width, i / width)).collect();
        Picture { width, height, channels: 1, pixels }
    }

    #[test]
    fn a_picture_of_the_right_size_keeps_every_pixel() {
        let pixels: Vec<u8> = (0..192).collect();
        let picture = Picture { width: 8, height: 8, channels: 3, pixels };
        let out = fitted(&picture, 3, 8);
        for i in 0..64 {
            assert_eq!([out[i], out[64 + i], out[128 + i]], [3 * i, 3 * i + 1, 3 * i + 2].map(|v| v as u8));
        }
    }

    #[test]
    fn the_middle_of_a_long_picture_is_taken() {
        // Thirds of black, grey and white; the middle square is the grey third.
        let shade = |along: usize| [0, 128, 255][along / 20];
        for picture in [grey(60, 20, |x, _| shade(x)), grey(20, 60, |_, y| shade(y))] {
            let out = fitted(&picture, 1, 10);
            // At the edges of the square the filter sees a little of what is beyond.
            let inner = (2..8).flat_map(|y| (2..8).map(move |x| 10 * y + x));
            assert!(inner.into_iter().all(|i| out[i].abs_diff(128) <= 1), "{out:?}");
            assert!(out.iter().all(|v| v.abs_diff(128) <= 9), "{out:?}");
            assert_eq!(fitted(&picture, 3, 10), out.repeat(3));
        }
    }

    #[test]
    fn a_pattern_finer_than_the_target_becomes_even_grey() {
        let board = grey(256, 256, |x, y| if (x + y) % 2 == 0 { 255 } else { 0 });
        let out = fitted(&board, 1, 32);
        assert!(out.iter().all(|&v| v.abs_diff(128) <= 2), "{out:?}");
    }

    #[test]
    fn a_flat_picture_stays_flat_at_every_size() {
        let flat = grey(50, 37, |_, _| 77);
        for size in [8, 16, 28, 37, 50, 64, 200] {
            assert_eq!(fitted(&flat, 1, size), vec![77; size * size], "size {size}");
        }
    }

    #[test]
    fn grey_of_colours_has_the_weights_of_bt_601() {
        let pixels = vec![255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 255];
        let picture = Picture { width: 2, height: 2, channels: 3, pixels };
        assert_eq!(fitted(&picture, 1, 2), [76, 150, 29, 255]);
    }

    #[test]
    fn every_instruction_set_gives_the_same_bytes() {
        let picture = grey(301, 200, |x, y| (x * x + 31 * y * x + y) as u8);
        let fast = fitted(&picture, 1, 64);
        RESIZER.with_borrow_mut(|resizer| {
            // SAFETY: plain code runs on every processor.
            unsafe { resizer.set_cpu_extensions(fast_image_resize::CpuExtensions::None) };
        });
        assert_eq!(fitted(&picture, 1, 64), fast);
    }
}
