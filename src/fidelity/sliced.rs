//! SWD: the sliced Wasserstein distance of patches (Karras et al. 2018, Section 5). It needs no extractor.
//!
//! In each band of the pictures, patches of both sets are projected onto 512 random directions; along each the distance
//! is how far one set has to be moved to become the other. The mean over the directions, in thousandths, as published.
//! All draws are the same for every network.

use rayon::prelude::*;

use super::Pictures;
use super::pyramid::sides;
use crate::data::Stream;

/// Directions that patches are projected onto.
const DIRECTIONS: usize = 512;
/// Directions taken together: a pass over the patches serves them all.
const TOGETHER: usize = 8;
/// Of more images the first so many are compared, as published: a million patches a band.
const IMAGES: usize = 8192;

/// What was found.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SlicedDistance {
    /// Side of each band and its distance.
    pub(crate) bands: Vec<(usize, f64)>,
    /// Their mean.
    pub(crate) mean: f64,
}

/// Compares two sets of pictures of one shape; the sets may be of different sizes.
pub(crate) fn sliced_distance(left: &Pictures<'_>, right: &Pictures<'_>) -> SlicedDistance {
    let [left, right] = [left, right].map(|set| set.first(IMAGES));
    let directions = directions(left.patch_values(), DIRECTIONS);
    let bands: Vec<(usize, f64)> = sides(left.size())
        .into_iter()
        .enumerate()
        .map(|(place, side)| {
            let (left, right) = (left.patches(place, side), right.patches(place, side));
            (side, 1e3 * sliced(&left, &right, &directions))
        })
        .collect();
    let mean = bands.iter().map(|(_, distance)| distance).sum::<f64>() / bands.len() as f64;
    SlicedDistance { bands, mean }
}

/// Random directions of length 1.
fn directions(values: usize, count: usize) -> Vec<Vec<f64>> {
    let stream = Stream::new(0, "eval/swd/directions");
    let direction = |k: u64| {
        let mut normal = vec![0.0_f32; values];
        stream.at(k).normal_fill(&mut normal);
        let length = normal.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt();
        normal.iter().map(|value| f64::from(*value) / length).collect()
    };
    (0..count as u64).map(direction).collect()
}

/// The mean over directions of how far the rows of one set have to be moved along them.
pub(super) fn sliced(left: &[f32], right: &[f32], directions: &[Vec<f64>]) -> f64 {
    let moved: Vec<f64> = directions
        .par_chunks(TOGETHER)
        .flat_map_iter(|directions| {
            let (left, right) = (projected(left, directions), projected(right, directions));
            left.into_iter().zip(right).map(|(left, right)| transport(&left, &right))
        })
        .collect();
    moved.iter().sum::<f64>() / directions.len() as f64
}

/// Sorted projections of all rows onto each direction.
fn projected(rows: &[f32], directions: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let values = directions[0].len();
    // Component by component, so that one value of a row meets all directions at once.
    let mut together = vec![[0.0; TOGETHER]; values];
    for (k, direction) in directions.iter().enumerate() {
        together.iter_mut().zip(direction).for_each(|(components, component)| components[k] = *component);
    }
    let mut projections = vec![Vec::with_capacity(rows.len() / values); directions.len()];
    for row in rows.chunks(values) {
        let mut sums = [0.0; TOGETHER];
        for (value, components) in row.iter().zip(&together) {
            let value = f64::from(*value);
            sums.iter_mut().zip(components).for_each(|(sum, component)| *sum += value * component);
        }
        projections.iter_mut().zip(sums).for_each(|(projections, sum)| projections.push(sum));
    }
    projections.iter_mut().for_each(|projections| projections.sort_unstable_by(f64::total_cmp));
    projections
}

/// The least work that turns one sorted sample into another, each of weight 1 in all: the Wasserstein-1 distance.
fn transport(left: &[f64], right: &[f64]) -> f64 {
    if left.len() == right.len() {
        let moved = left.iter().zip(right).map(|(left, right)| (left - right).abs());
        return moved.sum::<f64>() / left.len() as f64;
    }
    // In units of 1/(n·m) a value on the left weighs m and one on the right n.
    let (n, m) = (left.len(), right.len());
    let (mut i, mut j, mut on_left, mut on_right) = (0, 0, m, n);
    let mut work = 0.0;
    while i < n && j < m {
        let weight = on_left.min(on_right);
        work += weight as f64 * (left[i] - right[j]).abs();
        on_left -= weight;
        on_right -= weight;
        if on_left == 0 {
            (i, on_left) = (i + 1, m);
        }
        if on_right == 0 {
            (j, on_right) = (j + 1, n);
        }
    }
    work / (n as f64 * m as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Draw;

    #[test]
    fn moving_a_sample_costs_how_far_it_is_moved() {
        assert_eq!(transport(&[0.0, 1.0, 5.0], &[2.0, 3.0, 7.0]), 2.0);
        assert_eq!(transport(&[1.0], &[0.0, 1.0, 5.0]), (1.0 + 0.0 + 4.0) / 3.0);
        assert_eq!(transport(&[0.0, 2.0], &[0.0, 0.0, 2.0, 2.0]), 0.0);
        // A sixth of the weight goes from 0 to 1, and a sixth from 3 to 1.
        assert_eq!(transport(&[0.0, 3.0], &[0.0, 1.0, 3.0]), (1.0 / 6.0 * 1.0) + (1.0 / 6.0 * 2.0));
    }

    #[test]
    fn a_shift_of_rows_costs_its_mean_length_along_the_directions() {
        let directions = directions(9, 64);
        let mut rows = vec![0.0; 9 * 500];
        Draw::new(1, "test", 0).normal_fill(&mut rows);
        let shifted: Vec<f32> =
            rows.iter().enumerate().map(|(at, value)| value + if at % 9 == 4 { 10.0 } else { 0.0 }).collect();
        let expected = directions.iter().map(|direction| 10.0 * direction[4].abs()).sum::<f64>() / 64.0;
        let found = sliced(&rows, &shifted, &directions);
        assert!((found - expected).abs() < 1e-5, "{found} instead of {expected}");
        assert_eq!(sliced(&rows, &rows, &directions), 0.0);
    }

    #[test]
    fn directions_are_of_length_one_and_all_different() {
        let directions = directions(49, 16);
        let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        for (k, direction) in directions.iter().enumerate() {
            assert!((product(direction, direction) - 1.0).abs() < 1e-12);
            assert!(directions[k + 1..].iter().all(|other| product(direction, other).abs() < 0.6));
        }
    }

    fn noise(count: usize, size: usize, blur: bool, seed: u64) -> Vec<Vec<u8>> {
        let image = |k: u64| -> Vec<u8> {
            let mut values = vec![0.0; size * size];
            Draw::new(seed, "test", k).normal_fill(&mut values);
            let value = |at: usize| {
                if blur { (values[at] + values[(at + 1) % values.len()]) * 0.7 } else { values[at] }
            };
            (0..values.len()).map(|at| (128.0 + 30.0 * value(at)).clamp(0.0, 255.0) as u8).collect()
        };
        (0..count as u64).map(image).collect()
    }

    #[test]
    fn equal_sets_are_zero_apart_and_blurred_ones_differ_most_in_the_finest_band() {
        let [sharp, other, blurred] =
            [noise(40, 32, false, 1), noise(40, 32, false, 2), noise(40, 32, true, 3)];
        let distance = |left: &[Vec<u8>], right: &[Vec<u8>]| {
            let [left, right] = [left, right]
                .map(|images| Pictures::new(images.iter().map(Vec::as_slice).collect(), [1, 32, 32]));
            sliced_distance(&left, &right)
        };
        assert_eq!(distance(&sharp, &sharp), SlicedDistance { bands: vec![(32, 0.0), (16, 0.0)], mean: 0.0 });
        let (same, far) = (distance(&sharp, &other), distance(&sharp, &blurred));
        // Forty pictures of noise are some way apart by themselves.
        let more = |band: usize| far.bands[band].1 - same.bands[band].1;
        assert!(more(0) > 0.5 * same.bands[0].1 && more(0) > 5.0 * more(1), "{same:?} {far:?}");
        assert_eq!(far.mean, (far.bands[0].1 + far.bands[1].1) / 2.0);
        assert!(distance(&sharp, &other[..25]).bands[0].1 < far.bands[0].1);
    }
}
