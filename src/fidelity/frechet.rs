//! FID: the Fréchet distance of two Gaussians that have the means and covariances of two sets of features.
//!
//! `‖μ₁−μ₂‖² + Tr Σ₁ + Tr Σ₂ − 2·Tr (Σ₁Σ₂)^½` (Heusel et al. 2017, Eq. 6). With Σ₁ = AᵀA and Σ₂ = BᵀB the last trace is
//! the sum of the singular values of ABᵀ, which needs no root of a product that has no inverse: with fewer images than
//! features the centred features themselves are A. Covariances are divided by N−1, as torch-fidelity's are.

use super::Features;
use crate::ops::{self, LinalgError};

/// Mean and covariance of a set of features.
#[derive(Debug, Clone)]
pub(crate) struct Gaussian {
    mean: Vec<f64>,
    trace: f64,
    /// A with AᵀA = Σ, as wide as the features.
    root: Vec<f64>,
}

impl Gaussian {
    /// Of two images at least.
    pub(crate) fn of(features: &Features) -> Result<Self, LinalgError> {
        let (count, width) = (features.len(), features.width());
        let freedom = (count - 1) as f64;
        let mut mean = vec![0.0; width];
        for row in features.values().chunks(width) {
            mean.iter_mut().zip(row).for_each(|(mean, value)| *mean += f64::from(*value) / count as f64);
        }
        if count <= width {
            let scale = freedom.sqrt();
            let centred = features.values().chunks(width).flat_map(|row| row.iter().zip(&mean));
            let root: Vec<f64> = centred.map(|(value, mean)| (f64::from(*value) - mean) / scale).collect();
            let trace = root.iter().map(|value| value * value).sum();
            return Ok(Self { mean, trace, root });
        }
        let mut covariance = ops::scatter(features.values(), &mean);
        covariance.iter_mut().for_each(|entry| *entry /= freedom);
        let trace = covariance.iter().step_by(width + 1).sum();
        let root = ops::root(&covariance, width)?;
        Ok(Self { mean, trace, root })
    }

    /// The squared Fréchet distance; what rounding leaves below 0 is 0.
    pub(crate) fn distance(&self, other: &Gaussian) -> Result<f64, LinalgError> {
        let apart: f64 = self.mean.iter().zip(&other.mean).map(|(a, b)| (a - b).powi(2)).sum();
        let overlap = ops::nuclear_norm(&self.root, &other.root, self.mean.len())?;
        Ok((apart + self.trace + other.trace - 2.0 * overlap).max(0.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Draw;

    /// Normal draws with this deviation and mean per feature.
    fn drawn(count: usize, spread: &[(f64, f64)], seed: u64) -> Features {
        let mut values = vec![0.0; count * spread.len()];
        Draw::new(seed, "test", 0).normal_fill(&mut values);
        for row in values.chunks_mut(spread.len()) {
            for (value, (deviation, mean)) in row.iter_mut().zip(spread) {
                *value = (f64::from(*value) * deviation + mean) as f32;
            }
        }
        Features::new(values, spread.len())
    }

    fn distance(a: &Features, b: &Features) -> f64 {
        Gaussian::of(a).unwrap().distance(&Gaussian::of(b).unwrap()).unwrap()
    }

    #[test]
    fn two_normal_distributions_are_as_far_apart_as_their_closed_form_says() {
        let first = drawn(40_000, &[(1.0, 0.0), (2.0, 1.0), (0.5, -3.0)], 1);
        let second = drawn(40_000, &[(3.0, 1.0), (2.0, 1.0), (1.0, -1.0)], 2);
        // Independent features: Σ (μ₁−μ₂)² + (σ₁−σ₂)².
        let expected = (1.0 + 4.0) + (4.0 + 0.25);
        let found = distance(&first, &second);
        assert!((found - expected).abs() < 0.02 * expected, "{found} instead of {expected}");
    }

    #[test]
    fn moving_a_set_moves_it_by_exactly_that_much() {
        for count in [4, 9, 200] {
            let features = drawn(count, &[(1.0, 0.0); 8], 3);
            let moved = features.values().iter().map(|value| value + 0.5).collect();
            let found = distance(&features, &Features::new(moved, 8));
            assert!((found - 8.0 * 0.25).abs() < 1e-5, "{found} of {count}");
            assert!(distance(&features, &features) < 1e-9);
        }
    }

    #[test]
    fn fewer_images_than_features_and_more_give_one_result() {
        // The same Gaussian: every image four times, with N−1 made up for.
        let few = drawn(6, &[(1.0, 0.0); 8], 4);
        let other = drawn(7, &[(2.0, 1.0); 8], 5);
        let many = few.only(&(0..24).map(|image| image % 6).collect::<Vec<_>>());
        let [few, mut many, other] = [few, many, other].map(|set| Gaussian::of(&set).unwrap());
        let freedom = (23.0_f64 / 24.0) / (5.0 / 6.0);
        many.trace *= freedom;
        many.root.iter_mut().for_each(|value| *value *= freedom.sqrt());
        let (small, large) = (few.distance(&other).unwrap(), many.distance(&other).unwrap());
        assert!((small - large).abs() < 1e-6 * small, "{small} and {large}");
    }
}
