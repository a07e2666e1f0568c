//! Randomness as a function of (seed, stream, k), not a state.
//!
//! In: a seed, the name of a stream ("train/noise"), a counter `k`. Out: numbers
//! that depend on these three alone: not on the machine, the batch size, the
//! device or on what was drawn before. Resuming a run therefore restores no
//! generator, and variants that share a seed share their draws.
//!
//! The generator is ChaCha8: the key is derived from (seed, stream) by BLAKE3, the
//! cipher's 64-bit stream number is `k`. Logarithm, sine and cosine come from the
//! `libm` crate, because the bits of a system's own library differ between systems.
//! Golden values below hold every stream to what earlier versions drew.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// Separates our keys from any other use of BLAKE3; a new text is a new set of streams.
const KEY_CONTEXT: &str = "ablate random stream v1";

/// One named stream of one seed; gives the draw at any counter.
#[derive(Debug, Clone)]
pub struct Stream {
    generator: ChaCha8Rng,
}

impl Stream {
    /// The stream called `name` of `seed`.
    #[must_use]
    pub fn new(seed: u64, name: &str) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key(KEY_CONTEXT);
        hasher.update(&seed.to_le_bytes());
        hasher.update(name.as_bytes());
        let key = *hasher.finalize().as_bytes();
        Self { generator: ChaCha8Rng::from_seed(key) }
    }

    /// The draw with counter `k`: an own sequence, independent of every other `k`.
    #[must_use]
    pub fn at(&self, k: u64) -> Draw {
        let mut generator = self.generator.clone();
        generator.set_stream(k);
        Draw { generator }
    }
}

/// The sequence of numbers that belongs to one (seed, stream, k).
#[derive(Debug, Clone)]
pub struct Draw {
    generator: ChaCha8Rng,
}

impl Draw {
    /// The draw (seed, stream, k). Where many `k` of one stream are needed, keep a [`Stream`].
    #[must_use]
    pub fn new(seed: u64, stream: &str, k: u64) -> Self {
        Stream::new(seed, stream).at(k)
    }

    /// The next number in `[0, 1)`, a multiple of 2⁻⁵³.
    pub fn uniform(&mut self) -> f64 {
        const SCALE: f64 = 1.0 / (1_u64 << 53) as f64;
        (self.generator.next_u64() >> 11) as f64 * SCALE
    }

    /// The next integer in `0..n`, without bias (Lemire 2019, algorithm 5).
    ///
    /// # Panics
    /// If `n` is 0.
    pub fn below(&mut self, n: u64) -> u64 {
        assert!(n > 0, "there is no integer below 0");
        let threshold = n.wrapping_neg() % n;
        loop {
            let product = u128::from(self.generator.next_u64()) * u128::from(n);
            if product as u64 >= threshold {
                return (product >> 64) as u64;
            }
        }
    }

    /// Fills `out` with independent standard normal numbers (Box and Muller 1958).
    ///
    /// A longer `out` begins with the numbers of a shorter one. The largest
    /// magnitude is 6.76, which a fair sample exceeds once in 10¹¹ draws.
    pub fn normal_fill(&mut self, out: &mut [f32]) {
        let mut pairs = out.chunks_exact_mut(2);
        for pair in &mut pairs {
            (pair[0], pair[1]) = self.normal_pair();
        }
        if let [last] = pairs.into_remainder() {
            *last = self.normal_pair().0;
        }
    }

    fn normal_pair(&mut self) -> (f32, f32) {
        const TO_UNIT: f64 = 1.0 / (1_u64 << 32) as f64;
        const TO_ANGLE: f32 = core::f32::consts::TAU / (1 << 24) as f32;
        let bits = self.generator.next_u64();
        // Half a step above 0, so that the logarithm is finite.
        let unit = (((bits >> 32) as f64 + 0.5) * TO_UNIT) as f32;
        let angle = (bits as u32 >> 8) as f32 * TO_ANGLE;
        let radius = (-2.0 * libm::logf(unit)).sqrt();
        let (sine, cosine) = libm::sincosf(angle);
        (radius * cosine, radius * sine)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normals(seed: u64, stream: &str, k: u64, n: usize) -> Vec<f32> {
        let mut out = vec![0.0; n];
        Draw::new(seed, stream, k).normal_fill(&mut out);
        out
    }

    #[test]
    fn uniform_draws_are_the_ones_of_every_earlier_version() {
        let mut draw = Draw::new(0, "train/u", 0);
        let last = Draw::new(7, "train/u", u64::MAX).uniform();
        assert_eq!(
            [draw.uniform(), draw.uniform(), last],
            [0.7914315897139913, 0.28276920869452593, 0.47597264827386276]
        );
    }

    #[test]
    fn normal_draws_are_the_ones_of_every_earlier_version() {
        let bits: Vec<u32> = normals(0, "train/noise", 3, 5).iter().map(|x| x.to_bits()).collect();
        assert_eq!(bits, [0xbf50_4c81, 0xc011_b194, 0x3ea2_9b3f, 0x3ed5_24af, 0x3e0f_351e]);
    }

    #[test]
    fn integers_are_the_ones_of_every_earlier_version() {
        let mut draw = Draw::new(1, "order", 2);
        assert_eq!([0; 6].map(|_: i32| draw.below(1000)), [488, 195, 540, 770, 954, 737]);
    }

    #[test]
    fn seed_stream_and_counter_each_change_the_draw() {
        let base = Draw::new(1, "a", 1).uniform();
        for other in [Draw::new(2, "a", 1), Draw::new(1, "b", 1), Draw::new(1, "a", 2)] {
            assert_ne!(base, other.clone().uniform());
        }
    }

    #[test]
    fn a_longer_fill_begins_with_the_shorter_one() {
        let long = normals(5, "eval", 9, 101);
        for n in [1, 2, 33, 100] {
            assert_eq!(normals(5, "eval", 9, n), long[..n]);
        }
    }

    #[test]
    fn normals_follow_the_normal_distribution() {
        let n = 400_000;
        let mut values = normals(3, "train/noise", 0, n);
        let mean = values.iter().map(|&x| f64::from(x)).sum::<f64>() / n as f64;
        let square = values.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() / n as f64;
        let fourth = values.iter().map(|&x| f64::from(x).powi(4)).sum::<f64>() / n as f64;
        assert!(mean.abs() < 0.005, "mean {mean}");
        assert!((square - 1.0).abs() < 0.01, "second moment {square}");
        assert!((fourth - 3.0).abs() < 0.06, "fourth moment {fourth}");

        values.sort_by(f32::total_cmp);
        let distance = values.iter().enumerate().map(|(i, &x)| {
            let normal = 0.5 * libm::erfc(-f64::from(x) / core::f64::consts::SQRT_2);
            (normal - (i as f64 + 0.5) / n as f64).abs()
        });
        let worst = distance.fold(0.0, f64::max);
        // 1.95/√n is passed by one fair sample in a thousand.
        assert!(worst < 1.95 / (n as f64).sqrt(), "Kolmogorov distance {worst}");
    }

    #[test]
    fn first_draws_of_neighbouring_counters_are_uniform_and_uncorrelated() {
        let stream = Stream::new(11, "train/u");
        let n = 100_000;
        let values: Vec<f64> = (0..n).map(|k| stream.at(k).uniform() - 0.5).collect();
        let mean = values.iter().sum::<f64>() / n as f64;
        let variance = values.iter().map(|x| x * x).sum::<f64>() / n as f64;
        let lag = values.windows(2).map(|w| w[0] * w[1]).sum::<f64>() / n as f64;
        assert!(mean.abs() < 0.004, "mean {mean}");
        assert!((variance - 1.0 / 12.0).abs() < 0.001, "variance {variance}");
        assert!(lag.abs() < 0.001, "covariance of neighbours {lag}");
    }

    #[test]
    fn integers_below_n_are_all_reached_about_equally() {
        let mut counts = [0_u32; 7];
        let mut draw = Draw::new(0, "order", 0);
        for _ in 0..70_000 {
            counts[draw.below(7) as usize] += 1;
        }
        assert!(counts.iter().all(|&c| (9_600..10_400).contains(&c)), "{counts:?}");
        assert_eq!(draw.below(1), 0);
    }
}
