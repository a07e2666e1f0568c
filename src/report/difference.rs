//! A difference between two settings, estimated seed by seed.
//!
//! In: one difference per seed. Out: [`Difference`] with interval and p value; [`adjust`] makes those of one
//! table honest together. Runs that share a seed saw the same images and noise, so differences vary far less
//! than the values themselves.

use std::collections::BTreeMap;

use serde::Serialize;

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
    /// Seeds behind the mean.
    pub(crate) seeds: usize,
}

impl Difference {
    /// Of one difference per seed; `None` without any.
    pub(crate) fn of(differences: &[f64]) -> Option<Self> {
        let Summary { n, mean, std, ci95 } = Summary::of(differences)?;
        Some(Self { mean, std, ci95, p: p_value(differences), p_holm: None, seeds: n })
    }

    /// Whether it is told from 0, the other contrasts of the table considered.
    pub(crate) fn leaves_out_zero(&self) -> bool {
        self.p_holm.or(self.p).is_some_and(|p| p < SIGNIFICANCE)
    }
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
    let valued = |seed: &Seed| Some((seed.seed, seed.value()?));
    let others: BTreeMap<u64, f64> = other.seeds.iter().filter_map(valued).collect();
    let pairs = row.seeds.iter().filter_map(valued);
    pairs.filter_map(|(seed, value)| Some(value - others.get(&seed)?)).collect()
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
