//! What each held-out image has in the values of a comparison, and how far a difference may be owed to which images
//! were held out.
//!
//! In: the seeds of a comparison, whose `images.csv` is read at the step of their value. Out: [`Images::error`], the
//! standard error over images of any sum of their values. All runs are measured on the same images with the same
//! noise, so a difference is taken image by image first: its error is far smaller than those of its parts.

use std::collections::HashMap;
use std::path::PathBuf;

use rayon::prelude::*;

use super::row::Seed;
use super::series;

/// A mean over images that is further from the logged value, relative to it, is of another value.
const TOLERANCE: f64 = 1e-6;

/// Where the images of a run's values are.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Shares {
    /// The file.
    pub(crate) path: PathBuf,
    /// The weights whose rows count, as the file names them.
    pub(crate) weights: String,
    /// The column of the metric.
    pub(crate) column: String,
}

/// One image: its identity, the part of the images that were measured alike, and what it has in the value.
type Image = (u64, u32, f64);

/// The images of every run that was asked for.
#[derive(Debug, Default)]
pub(crate) struct Images {
    of_runs: HashMap<(PathBuf, u64), Vec<Image>>,
}

impl Images {
    /// Reads those of all seeds with a value, on all cores; a run without them has none.
    pub(super) fn read<'a>(seeds: impl Iterator<Item = &'a Seed>) -> Self {
        let wanted: Vec<&Seed> = seeds.filter(|seed| seed.shares.is_some()).collect();
        let read = |seed: &Seed| {
            let (shares, point) = (seed.shares.as_ref()?, seed.point.as_ref().ok()?);
            let images = read(shares, point.step)?;
            let mean = images.iter().map(|image| image.2).sum::<f64>() / images.len() as f64;
            let close = (mean - point.value).abs() <= TOLERANCE * point.value.abs();
            close.then(|| ((shares.path.clone(), point.step), images))
        };
        Self { of_runs: wanted.into_par_iter().filter_map(read).collect() }
    }

    fn of(&self, seed: &Seed) -> Option<&[Image]> {
        let key = (seed.shares.as_ref()?.path.clone(), seed.point.as_ref().ok()?.step);
        self.of_runs.get(&key).map(Vec::as_slice)
    }

    /// The standard error over images of the sum of these seeds' values, each times its factor. `None` where some run
    /// has no images, where they are not the same, or where a part of them is a single one.
    pub(super) fn error<'a>(&self, terms: impl Iterator<Item = (f64, &'a Seed)>) -> Option<f64> {
        let mut sum: Vec<Image> = Vec::new();
        for (factor, seed) in terms {
            let images = self.of(seed)?;
            if sum.is_empty() {
                sum = images.iter().map(|(id, part, _)| (*id, *part, 0.0)).collect();
            }
            let alike = |(one, other): (&Image, &Image)| (one.0, one.1) == (other.0, other.1);
            if sum.len() != images.len() || !sum.iter().zip(images).all(alike) {
                return None;
            }
            sum.iter_mut().zip(images).for_each(|(sum, image)| sum.2 += factor * image.2);
        }
        standard_error(&sum)
    }
}

/// Of the mean of a stratified sample: parts may differ in level, so that only the spread within each counts.
fn standard_error(images: &[Image]) -> Option<f64> {
    let mut parts: HashMap<u32, Vec<f64>> = HashMap::new();
    for (_, part, value) in images {
        parts.entry(*part).or_default().push(*value);
    }
    let mut variance = None;
    for values in parts.values() {
        let n = values.len() as f64;
        if values.len() < 2 {
            return None;
        }
        let mean = values.iter().sum::<f64>() / n;
        let spread = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (n - 1.0);
        // (n_part / n)² · s² / n_part
        *variance.get_or_insert(0.0) += n * spread / (images.len() as f64).powi(2);
    }
    variance.map(f64::sqrt)
}

/// The images of one step, by rising identity; `None` where the file does not have them whole.
fn read(shares: &Shares, step: u64) -> Option<Vec<Image>> {
    let bytes = series::read_whole(&shares.path).ok()??;
    let text = std::str::from_utf8(&bytes).ok()?;
    let mut lines = text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'));
    let header: Vec<&str> = lines.next()?.split(',').collect();
    let column = |name: &str| header.iter().position(|column| *column == name);
    let (image, part, value) = (column("image")?, column("part")?, column(&shares.column)?);
    if header[..2] != ["step", "weights"] {
        return None;
    }
    let beginning = format!("{step},{},", shares.weights);
    let mut images = Vec::new();
    for line in lines.filter(|line| line.starts_with(&beginning)) {
        let cells: Vec<&str> = line.split(',').collect();
        let whole = cells.len() == header.len();
        let id = cells.get(image).filter(|_| whole)?.strip_prefix('x')?;
        let id = u64::from_str_radix(id, 16).ok()?;
        let found: f64 = cells[value].parse().ok().filter(|value: &f64| value.is_finite())?;
        images.push((id, cells[part].parse().ok()?, found));
    }
    images.sort_unstable_by_key(|image| image.0);
    let told_apart = images.windows(2).all(|pair| pair[0].0 != pair[1].0);
    (!images.is_empty() && told_apart).then_some(images)
}

#[cfg(test)]
#[path = "images_tests.rs"]
mod tests;
