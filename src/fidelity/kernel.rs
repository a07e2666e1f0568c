//! KID: the squared maximum mean discrepancy of two sets of features under the kernel (x·y/d + 1)³.
//!
//! The unbiased estimate of Bińkowski et al. 2018 (Eq. 4), so it may fall a little below 0 and does not depend on the
//! number of images. It is a mean over subsets of both sets; where the sets are no larger than a subset, the one subset
//! is all of them.

use super::Features;
use crate::data::Stream;
use crate::ops::Rows;

/// Subsets and their largest size: what Bińkowski et al. and torch-fidelity take.
const SUBSETS: usize = 100;
const SUBSET_SIZE: usize = 1000;

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct KernelDistance {
    /// Mean over the subsets.
    pub(crate) mean: f64,
    /// Standard deviation over them; `None` of a single one.
    pub(crate) std: Option<f64>,
}

/// Compares two sets of two images at least.
pub(crate) fn kernel_distance(left: &Features, right: &Features) -> KernelDistance {
    let size = left.len().min(right.len()).min(SUBSET_SIZE);
    if left.len() == size && right.len() == size {
        return KernelDistance { mean: discrepancy(left, right), std: None };
    }
    in_subsets(left, right, SUBSETS, size)
}

/// The same images are taken for every network: the draws depend on the sizes alone.
fn in_subsets(left: &Features, right: &Features, subsets: usize, size: usize) -> KernelDistance {
    let (first, second) = (Stream::new(0, "eval/kid/left"), Stream::new(0, "eval/kid/right"));
    let found: Vec<f64> = (0..subsets as u64)
        .map(|subset| {
            let left = left.only(&subset_of(left.len(), size, &first, subset));
            let right = right.only(&subset_of(right.len(), size, &second, subset));
            discrepancy(&left, &right)
        })
        .collect();
    let mean = found.iter().sum::<f64>() / subsets as f64;
    let variance = found.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / subsets as f64;
    KernelDistance { mean, std: Some(variance.sqrt()) }
}

/// `size` of `count` images, each once (Fisher and Yates).
fn subset_of(count: usize, size: usize, stream: &Stream, subset: u64) -> Vec<usize> {
    let mut images: Vec<usize> = (0..count).collect();
    let mut draw = stream.at(subset);
    for place in 0..size {
        let other = place + draw.below((count - place) as u64) as usize;
        images.swap(place, other);
    }
    images.truncate(size);
    images
}

/// `mean k(x,x') + mean k(y,y') − 2·mean k(x,y)`, the first two over pairs of different images.
fn discrepancy(left: &Features, right: &Features) -> f64 {
    let width = left.width();
    let [left, right] = [left, right].map(|set| (Rows::new(set.values(), width), set.len()));
    let kernel = |a: &Rows, b: &Rows| -> Vec<f64> {
        let products = a.inner_products(b);
        products.into_iter().map(|product| (product / width as f64 + 1.0).powi(3)).collect()
    };
    let within = |(set, count): &(Rows, usize)| {
        let kernel = kernel(set, set);
        let own: f64 = kernel.iter().step_by(count + 1).sum();
        (kernel.iter().sum::<f64>() - own) / (count * (count - 1)) as f64
    };
    let between = kernel(&left.0, &right.0);
    within(&left) + within(&right) - 2.0 * between.iter().sum::<f64>() / between.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Draw;

    fn drawn(count: usize, shift: f32, seed: u64) -> Features {
        let mut values = vec![0.0; count * 4];
        Draw::new(seed, "test", 0).normal_fill(&mut values);
        values.iter_mut().for_each(|value| *value += shift);
        Features::new(values, 4)
    }

    #[test]
    fn two_images_of_one_feature_are_as_far_apart_as_worked_out_by_hand() {
        let left = Features::new(vec![0.0, 1.0], 1);
        let right = Features::new(vec![2.0, 3.0], 1);
        // k(0,1) = 1; k(2,3) = 7³; k between: 1, 1, 3³, 4³.
        let expected = 1.0 + 343.0 - 2.0 * (1.0 + 1.0 + 27.0 + 64.0) / 4.0;
        assert_eq!(kernel_distance(&left, &right), KernelDistance { mean: expected, std: None });
    }

    #[test]
    fn sets_of_one_distribution_are_zero_apart_on_average_and_shifted_ones_are_not() {
        // Mean and its standard error over many pairs of sets.
        let mean = |shift: f32| {
            let found: Vec<f64> = (0..300)
                .map(|seed| kernel_distance(&drawn(30, 0.0, 2 * seed), &drawn(30, shift, 2 * seed + 1)).mean)
                .collect();
            let mean = found.iter().sum::<f64>() / 300.0;
            let variance = found.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / 299.0;
            (mean, (variance / 300.0).sqrt())
        };
        let (same, error) = mean(0.0);
        assert!(same.abs() < 3.0 * error && error < 0.05, "{same} ± {error}");
        // The biased estimate counts k(x,x) as well, about 2·8/30.
        let (shifted, error) = mean(0.5);
        assert!(shifted > 10.0 * error, "{shifted} ± {error}");
    }

    #[test]
    fn subsets_hold_different_images_and_differ_from_each_other_in_a_way_that_repeats() {
        let stream = Stream::new(0, "test");
        let subset = |k| subset_of(50, 20, &stream, k);
        let mut sorted = subset(0);
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!((sorted.len(), sorted.iter().all(|image| *image < 50)), (20, true));
        assert_eq!(subset(1), subset(1));
        assert_ne!(subset(0), subset(1));
    }

    #[test]
    fn a_mean_over_subsets_is_near_that_of_all_images_and_says_how_far_they_spread() {
        let (left, right) = (drawn(300, 0.0, 1), drawn(200, 0.5, 2));
        let all = discrepancy(&left, &right);
        let found = in_subsets(&left, &right, 50, 100);
        let spread = found.std.unwrap();
        assert!(spread > 0.0 && (found.mean - all).abs() < spread, "{found:?} and {all}");
        assert_eq!(found, in_subsets(&left, &right, 50, 100));
        assert_eq!(kernel_distance(&left, &right).mean, in_subsets(&left, &right, SUBSETS, 200).mean);
    }
}
