//! A difference between two settings, estimated seed by seed.
//!
//! In: one difference per seed. Out: [`Difference`] with interval and p value; [`adjust`] makes those of one
//! table honest together. Runs that share a seed saw the same images and noise, so differences vary far less
//! than the values themselves.

use std::collections::BTreeMap;

use serde::Serialize;

use super::images::Images;
use super::row::{Row, Seed};
use super::stats::{SIGNIFICANCE, Summary, holm, p_value};

/// The mean of differences over seeds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Difference {
    /// Mean over seeds.
    pub(crate) mean: f64,
    /// Sample standard deviation over seeds; `None` for one seed.
    pub(crate) std: Option<f64>,
    /// 95 % t-interval of the mean (df = seeds − 1); `None` for one seed.
    pub(crate) ci95: Option<(f64, f64)>,
    /// Two-sided p value of a difference of 0.
    pub(crate) p: Option<f64>,
    /// The same, adjusted by Holm's method over every contrast of the table; set by [`adjust`].
    pub(crate) p_holm: Option<f64>,
    /// Standard error of the mean over the held-out images, taken image by image; `None` where they are not known.
    pub(crate) image_se: Option<f64>,
    /// Seeds behind the mean.
    pub(crate) seeds: usize,
}

impl Difference {
    /// Of one difference per seed; `None` without any.
    pub(crate) fn of(differences: &[f64]) -> Option<Self> {
        let Summary { n, mean, std, ci95 } = Summary::of(differences)?;
        Some(Self { mean, std, ci95, p: p_value(differences), p_holm: None, image_se: None, seeds: n })
    }

    /// The mean over seeds of each seed's mean over its pairs; `None` without any. What runs of equal settings and seed
    /// gave is averaged first: the same variant in two experiments is no second pair.
    pub(crate) fn of_pairs(pairs: &[Pair<'_>], images: &Images) -> Option<Self> {
        let mut by_seed: BTreeMap<u64, Vec<f64>> = BTreeMap::new();
        for pair in pairs {
            by_seed.entry(pair.seed).or_default().push(pair.difference());
        }
        let per_seed: Vec<f64> =
            by_seed.values().map(|found| found.iter().sum::<f64>() / found.len() as f64).collect();
        let terms = pairs.iter().flat_map(|pair| {
            let share = 1.0 / (by_seed.len() * by_seed[&pair.seed].len()) as f64;
            let signed = pair.sides.iter().zip([share, -share]);
            signed.flat_map(|(side, share)| side.iter().map(move |seed| (share / side.len() as f64, *seed)))
        });
        Some(Self { image_se: images.error(terms), ..Self::of(&per_seed)? })
    }

    /// Whether it is told from 0, the other contrasts of the table considered.
    pub(crate) fn leaves_out_zero(&self) -> bool {
        self.p_holm.or(self.p).is_some_and(|p| p < SIGNIFICANCE)
    }
}

/// Runs of one seed to be held against each other, each with a value: those of one setting, those of the other.
pub(crate) struct Pair<'a> {
    seed: u64,
    sides: [Vec<&'a Seed>; 2],
}

impl<'a> Pair<'a> {
    /// Runs without a value are left out; `None` where that leaves a side without any.
    pub(crate) fn of(seed: u64, sides: [impl Iterator<Item = &'a Seed>; 2]) -> Option<Self> {
        let sides = sides.map(|side| side.filter(|seed| seed.value().is_some()).collect::<Vec<_>>());
        sides.iter().all(|side| !side.is_empty()).then_some(Self { seed, sides })
    }

    /// The mean of one side minus that of the other.
    fn difference(&self) -> f64 {
        let [left, right] = self
            .sides
            .each_ref()
            .map(|side| side.iter().filter_map(|seed| seed.value()).sum::<f64>() / side.len() as f64);
        left - right
    }
}

/// One pair for each seed that both rows have a value for, by rising seed.
pub(crate) fn pairs<'a>(row: &'a Row, other: &'a Row) -> Vec<Pair<'a>> {
    let runs = |row: &'a Row, seed: u64| row.runs().iter().filter(move |run| run.seed == seed);
    let pair = |seed: &Seed| Pair::of(seed.seed, [row, other].map(|row| runs(row, seed.seed)));
    row.seeds.iter().filter_map(pair).collect()
}

/// Adjusts the contrasts that are shown together.
pub(crate) fn adjust<'a>(contrasts: impl IntoIterator<Item = &'a mut Difference>) {
    let mut contrasts: Vec<&mut Difference> = contrasts.into_iter().collect();
    let p_values: Vec<Option<f64>> = contrasts.iter().map(|contrast| contrast.p).collect();
    for (contrast, adjusted) in contrasts.iter_mut().zip(holm(&p_values)) {
        contrast.p_holm = adjusted;
    }
}

/// `row` minus `other` on each seed that both have a value for, by rising seed.
pub(crate) fn paired(row: &Row, other: &Row) -> Vec<f64> {
    pairs(row, other).iter().map(Pair::difference).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture::row;

    #[test]
    fn only_shared_seeds_are_paired() {
        let (left, mut right) = (row("a", &[1.0, 2.0, 4.0]), row("b", &[0.5, 1.0]));
        assert_eq!(paired(&left, &right), [0.5, 1.0]);
        right.seeds[0].seed = 7;
        assert_eq!(paired(&left, &right), [1.0]);
    }

    #[test]
    fn contrasts_of_one_table_are_adjusted_together() {
        let mut several: Vec<Difference> = (0..40).map(|_| Difference::of(&[1.0, 1.01]).unwrap()).collect();
        let alone = several[0];
        assert!(alone.leaves_out_zero() && alone.p.unwrap() > SIGNIFICANCE / 40.0);
        adjust(&mut several);
        assert!(several.iter().all(|contrast| !contrast.leaves_out_zero()));
        assert_eq!(several[0].ci95, alone.ci95);
    }
}
