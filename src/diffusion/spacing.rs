//! Which timesteps a sampler visits, with diffusers' rounding.

use crate::config::TimestepSpacing;

/// `n` timesteps of a chain of `total`, falling, as diffusers' DDIM and DDPM schedulers choose them.
///
/// - leading: (0…n−1)·(T div n), plus `offset`
/// - linspace: n points from T−1 to 0
/// - trailing: T, T − T/n, …, each minus 1
///
/// Halves round to even, as NumPy does. An offset is cut at T−1.
pub fn timesteps(spacing: TimestepSpacing, total: usize, n: usize, offset: usize) -> Vec<usize> {
    let round = |value: f64| value.round_ties_even() as usize;
    match spacing {
        TimestepSpacing::Leading => (0..n).rev().map(|i| (i * (total / n) + offset).min(total - 1)).collect(),
        TimestepSpacing::Linspace if n == 1 => vec![0],
        TimestepSpacing::Linspace => {
            let step = (total - 1) as f64 / (n - 1) as f64;
            (0..n).rev().map(|i| round(i as f64 * step)).collect()
        }
        TimestepSpacing::Trailing => {
            let step = total as f64 / n as f64;
            (0..n).map(|i| round(total as f64 - i as f64 * step) - 1).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leading_with_an_offset_of_one_matches_the_published_list() {
        assert_eq!(timesteps(TimestepSpacing::Leading, 1000, 5, 1), [801, 601, 401, 201, 1]);
    }

    #[test]
    fn leading_with_fifty_steps_starts_at_980() {
        let list = timesteps(TimestepSpacing::Leading, 1000, 50, 0);
        assert_eq!((list[0], list[49]), (980, 0));
    }

    #[test]
    fn trailing_visits_the_last_step() {
        assert_eq!(timesteps(TimestepSpacing::Trailing, 1000, 4, 0), [999, 749, 499, 249]);
    }

    #[test]
    fn linspace_visits_both_ends() {
        assert_eq!(timesteps(TimestepSpacing::Linspace, 1000, 4, 0), [999, 666, 333, 0]);
    }

    #[test]
    fn every_spacing_visits_all_steps_once_when_n_is_t() {
        for spacing in [TimestepSpacing::Leading, TimestepSpacing::Linspace, TimestepSpacing::Trailing] {
            assert_eq!(timesteps(spacing, 7, 7, 0), [6, 5, 4, 3, 2, 1, 0]);
        }
    }
}
