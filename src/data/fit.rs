//! Bringing a square grey image to the size asked for.
//!
//! In: 8-bit pixels of one plane and its side. Out: the same picture at another side. Equal sides copy. A
//! side of 32 frames a 28-pixel image with two pixels of black, as is customary for MNIST: no pixel is
//! changed. Any other side resamples with a triangle filter as wide as the larger of the two pixels
//! (bilinear when enlarging, anti-aliased when shrinking). Rounded arithmetic only: the same bytes on every
//! machine.

/// How one side becomes another; prepared once, applied to every image.
#[derive(Debug)]
pub(super) enum Fit {
    /// The sides are equal.
    Copy,
    /// A border of so many black pixels on each side.
    Frame { from: usize, border: usize },
    /// For each output coordinate, the input coordinates that contribute.
    Resample { from: usize, taps: Vec<Tap> },
}

/// The inputs of one output coordinate: weights (sum 1) of consecutive inputs from `first` on.
#[derive(Debug)]
pub(super) struct Tap {
    first: usize,
    weights: Vec<f32>,
}

impl Fit {
    pub(super) fn new(from: usize, to: usize) -> Self {
        match (from, to) {
            _ if from == to => Self::Copy,
            (28, 32) => Self::Frame { from, border: 2 },
            _ => Self::Resample { from, taps: (0..to).map(|o| Tap::new(from, to, o)).collect() },
        }
    }

    /// Writes the picture `source` (from × from) into `out` (to × to).
    pub(super) fn apply(&self, source: &[u8], out: &mut [u8]) {
        match self {
            Self::Copy => out.copy_from_slice(source),
            Self::Frame { from, border } => {
                out.fill(0);
                let to = from + 2 * border;
                for (y, row) in source.chunks_exact(*from).enumerate() {
                    let start = (y + border) * to + border;
                    out[start..start + from].copy_from_slice(row);
                }
            }
            Self::Resample { from, taps } => resample(source, *from, taps, out),
        }
    }
}

impl Tap {
    fn new(from: usize, to: usize, output: usize) -> Self {
        let scale = from as f64 / to as f64;
        let support = scale.max(1.0);
        let centre = (output as f64 + 0.5) * scale;
        let first = (centre - support).floor().max(0.0) as usize;
        let end = ((centre + support).ceil() as usize).min(from);
        let weight = |i: usize| (1.0 - (i as f64 + 0.5 - centre).abs() / support).max(0.0);
        let sum: f64 = (first..end).map(weight).sum();
        Self { first, weights: (first..end).map(|i| (weight(i) / sum) as f32).collect() }
    }

    /// The weighted mean of the inputs, given as a function of their coordinate.
    fn mean(&self, input: impl Fn(usize) -> f32) -> f32 {
        (self.first..).zip(&self.weights).map(|(i, weight)| weight * input(i)).sum()
    }
}

/// Rows first, then columns: the filter is separable.
fn resample(source: &[u8], from: usize, taps: &[Tap], out: &mut [u8]) {
    let to = taps.len();
    let mut narrowed = Vec::with_capacity(from * to);
    for row in source.chunks_exact(from) {
        narrowed.extend(taps.iter().map(|tap| tap.mean(|x| f32::from(row[x]))));
    }
    for (y, tap) in taps.iter().enumerate() {
        for x in 0..to {
            let value = tap.mean(|row| narrowed[row * to + x]);
            out[y * to + x] = (value + 0.5) as u8;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fitted(from: usize, to: usize, source: &[u8]) -> Vec<u8> {
        let mut out = vec![255; to * to];
        Fit::new(from, to).apply(source, &mut out);
        out
    }

    #[test]
    fn the_native_size_is_copied_unchanged() {
        let source: Vec<u8> = (0..784).map(|i| i as u8).collect();
        assert_eq!(fitted(28, 28, &source), source);
    }

    #[test]
    fn size_32_frames_the_image_with_two_black_pixels() {
        let source: Vec<u8> = (0..784).map(|i| (i % 255) as u8 + 1).collect();
        let out = fitted(28, 32, &source);
        for y in 0..32 {
            for x in 0..32 {
                let inside = (2..30).contains(&y) && (2..30).contains(&x);
                let expected = if inside { source[(y - 2) * 28 + x - 2] } else { 0 };
                assert_eq!(out[y * 32 + x], expected, "pixel {x}, {y}");
            }
        }
    }

    #[test]
    fn a_flat_image_stays_flat_at_every_size() {
        for to in [8, 14, 16, 20, 27, 29, 48, 64] {
            assert!(fitted(28, to, &[77; 784]).iter().all(|&v| v == 77), "size {to}");
        }
    }

    #[test]
    fn shrinking_keeps_the_mean_brightness() {
        let source: Vec<u8> = (0..784).map(|i| if i * 7 % 13 < 5 { 240 } else { 10 }).collect();
        let mean = |pixels: &[u8]| pixels.iter().map(|&v| f64::from(v)).sum::<f64>() / pixels.len() as f64;
        let out = fitted(28, 14, &source);
        assert!((mean(&out) - mean(&source)).abs() < 3.0);
    }

    #[test]
    fn a_mirrored_image_gives_the_mirrored_result() {
        let source: Vec<u8> = (0..784).map(|i| (i * i % 251) as u8).collect();
        let mirrored: Vec<u8> = source.chunks(28).flat_map(|row| row.iter().rev().copied()).collect();
        for to in [14, 20, 40] {
            let back: Vec<u8> =
                fitted(28, to, &mirrored).chunks(to).flat_map(|r| r.iter().rev().copied()).collect();
            let direct = fitted(28, to, &source);
            // The order of a sum differs, so the last bit may.
            assert!(direct.iter().zip(&back).all(|(a, b)| a.abs_diff(*b) <= 1), "size {to}");
        }
    }
}
