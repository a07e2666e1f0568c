//! The measured denoising curve.
//!
//! In: the errors of every image at every node it was measured at. Out: the curve with the standard error over images,
//! the two numbers it is reduced to, and what each image has in them.

use super::Answer;
use crate::diffusion::curve::{self, Node, Scores};

/// One measured node of the curve.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Level {
    /// Where it is.
    pub node: Node,
    /// Mean over images of the mean squared error of ε̂.
    pub eps_mse: f64,
    /// The same of x̂0.
    pub x0_mse: f64,
    /// Images measured here.
    pub n: usize,
    /// Standard error of `eps_mse` over images.
    pub se: f64,
}

/// The curve and the errors behind it.
#[derive(Debug, Default)]
pub(super) struct Levels {
    /// In rising λ.
    pub(super) levels: Vec<Level>,
    /// Per level, the images and their errors of ε̂.
    errors: Vec<Vec<(usize, f64)>>,
}

impl Levels {
    /// Adds the next node; one without any image stays unmeasured.
    pub(super) fn push(&mut self, node: Node, answers: &[(usize, Answer)]) {
        let n = answers.len();
        if n == 0 {
            return;
        }
        let mean =
            |of: fn(&Answer) -> f64| answers.iter().map(|(_, answer)| of(answer)).sum::<f64>() / n as f64;
        let eps_mse = mean(|answer| answer.eps);
        let squares: f64 = answers.iter().map(|(_, answer)| (answer.eps - eps_mse).powi(2)).sum();
        let se = if n > 1 { (squares / (n - 1) as f64 / n as f64).sqrt() } else { 0.0 };
        self.levels.push(Level { node, eps_mse, x0_mse: mean(|answer| answer.x0), n, se });
        self.errors.push(answers.iter().map(|(image, answer)| (*image, answer.eps)).collect());
    }

    /// The numbers that the curve is reduced to.
    pub(super) fn scores(&self) -> Scores {
        let points: Vec<(f64, f64)> =
            self.levels.iter().map(|level| (level.node.log_snr, level.eps_mse)).collect();
        curve::scores(&points)
    }

    /// What each of so many images has in the scores, so that their means over all images are the scores: an image
    /// that is one of n at a node has its error times (images / n) there.
    pub(super) fn shares(&self, images: usize) -> Vec<Scores> {
        let lambdas: Vec<f64> = self.levels.iter().map(|level| level.node.log_snr).collect();
        let weights = curve::weights(&lambdas);
        let nothing = self.scores();
        let zero = |score: Option<f64>| score.map(|_| 0.0);
        let nothing =
            Scores { denoise_score: zero(nothing.denoise_score), denoise_bits: zero(nothing.denoise_bits) };
        let mut shares = vec![nothing; images];
        for ((weight, level), errors) in weights.iter().zip(&self.levels).zip(&self.errors) {
            let scale = images as f64 / level.n as f64;
            for (image, error) in errors {
                let add = |sum: &mut Option<f64>, weight: Option<f64>| {
                    *sum = sum.zip(weight).map(|(sum, weight)| sum + weight * error * scale);
                };
                add(&mut shares[*image].denoise_score, weight.denoise_score);
                add(&mut shares[*image].denoise_bits, weight.denoise_bits);
            }
        }
        shares
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Errors that differ by node and image, every image at every `stride`th node.
    fn measured(images: usize, stride: usize) -> Levels {
        let mut levels = Levels::default();
        for k in 0..=32_usize {
            let node = Node { k: k as i64, t: 999 - k, log_snr: -6.5 + 13.0 * k as f64 / 32.0 };
            let answers = (k % stride..images).step_by(stride).map(|image| {
                let eps = 0.1 + ((image * 7 + k * 3) % 11) as f64 / 10.0;
                (image, Answer { eps, x0: 2.0 * eps, loss: 0.0 })
            });
            levels.push(node, &answers.collect::<Vec<_>>());
        }
        levels
    }

    #[test]
    fn the_scores_are_the_means_of_what_the_images_have_in_them() {
        for (images, stride) in [(10, 1), (10, 4), (7, 4), (1, 1)] {
            let levels = measured(images, stride);
            let (scores, shares) = (levels.scores(), levels.shares(images));
            let mean = |of: fn(&Scores) -> Option<f64>| {
                shares.iter().map(|share| of(share).unwrap()).sum::<f64>() / images as f64
            };
            assert!((mean(|share| share.denoise_score) / scores.denoise_score.unwrap() - 1.0).abs() < 1e-12);
            assert!((mean(|share| share.denoise_bits) / scores.denoise_bits.unwrap() - 1.0).abs() < 1e-12);
        }
    }

    #[test]
    fn without_a_score_no_image_has_a_share() {
        let mut levels = Levels::default();
        let answer = Answer { eps: 1.0, x0: 1.0, loss: 0.0 };
        levels.push(Node { k: 0, t: 1, log_snr: 0.0 }, &[(0, answer)]);
        levels.push(Node { k: 1, t: 0, log_snr: 1.0 }, &[]);
        assert_eq!(levels.levels.len(), 1);
        assert_eq!(levels.shares(2), [Scores { denoise_score: None, denoise_bits: None }; 2]);
    }

    #[test]
    fn the_standard_error_is_that_of_a_mean() {
        let mut levels = Levels::default();
        let answers = [1.0, 2.0, 4.0].map(|eps| (0, Answer { eps, x0: 1.0, loss: 0.0 }));
        levels.push(Node { k: 0, t: 1, log_snr: 0.0 }, &answers);
        // Variance 7/3 of three values.
        assert!((levels.levels[0].se - (7.0_f64 / 9.0).sqrt()).abs() < 1e-15);
    }
}
