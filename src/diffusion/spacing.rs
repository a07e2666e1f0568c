//! Which timesteps a sampler visits, with diffusers' rounding.
//!
//! In: `[sampling]` and the length of the chain. Out: timesteps, falling. Halves round to even, as NumPy does.

use crate::config::{Sampler, Sampling, TimestepSpacing};

/// The timesteps that a sampler visits on a chain of `total`, falling, `settings.steps` of them.
///
/// DDIM and DDPM, as diffusers' schedulers of these names have them:
/// - leading: (0…n−1)·(T div n), plus the offset
/// - linspace: n points from T−1 to 0
/// - trailing: T, T − T/n, …, each minus 1
///
/// Euler and Heun do the same, except that linspace leads them to [`places`] between these.
/// DPM-Solver++ leaves out the last of n+1 points in the first two: its last step goes to no noise at all. An
/// offset is cut at T−1.
pub fn timesteps(settings: &Sampling, total: usize) -> Vec<usize> {
    let Sampling { steps: n, steps_offset, timestep_spacing, .. } = *settings;
    let (points, dropped) = match (settings.sampler, timestep_spacing) {
        (_, TimestepSpacing::Trailing) => return trailing(total, n),
        (Sampler::DpmSolverPp, _) => (n + 1, 1),
        (Sampler::Ddim | Sampler::Ddpm | Sampler::Euler | Sampler::Heun, _) => (n, 0),
    };
    let falling = (dropped..points).rev();
    match timestep_spacing {
        TimestepSpacing::Leading => {
            falling.map(|i| (i * (total / points) + steps_offset).min(total - 1)).collect()
        }
        // One point is the first.
        _ if points == 1 => vec![0],
        _ => {
            let stride = (total - 1) as f64 / (points - 1) as f64;
            falling.map(|i| round(i as f64 * stride)).collect()
        }
    }
}

/// Where Euler and Heun ask the network, falling: [`timesteps`], and with linspace the very points, unrounded.
///
/// diffusers keeps them in 32 bits, and that is what a network is given.
pub fn places(settings: &Sampling, total: usize) -> Vec<f64> {
    let n = settings.steps;
    if settings.timestep_spacing != TimestepSpacing::Linspace || n == 1 {
        return timesteps(settings, total).into_iter().map(|t| t as f64).collect();
    }
    let (last, stride) = (total - 1, (total - 1) as f64 / (n - 1) as f64);
    let place = |i: usize| if i + 1 == n { last as f64 } else { i as f64 * stride };
    (0..n).rev().map(|i| f64::from(place(i) as f32)).collect()
}

fn trailing(total: usize, n: usize) -> Vec<usize> {
    let total = total as f64;
    // NumPy's arange takes the difference of its first two values as its stride; the last bit of it decides how
    // a half is rounded.
    // For some n, 61 of 1000 among them, rounding gives arange one value more, near 0, and diffusers asks its network
    // about t = −1 in the end. That step is left out.
    let stride = (total - total / n as f64) - total;
    (0..n).map(|i| round(total + i as f64 * stride) - 1).collect()
}

fn round(value: f64) -> usize {
    value.round_ties_even() as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::defaults;

    fn visited(
        sampler: Sampler,
        timestep_spacing: TimestepSpacing,
        total: usize,
        steps: usize,
        steps_offset: usize,
    ) -> Vec<usize> {
        let settings = Sampling { sampler, timestep_spacing, steps, steps_offset, ..defaults().sampling };
        timesteps(&settings, total)
    }

    #[test]
    fn leading_with_an_offset_of_one_matches_the_published_list() {
        assert_eq!(visited(Sampler::Ddim, TimestepSpacing::Leading, 1000, 5, 1), [801, 601, 401, 201, 1]);
    }

    #[test]
    fn leading_with_fifty_steps_starts_at_980() {
        let list = visited(Sampler::Ddpm, TimestepSpacing::Leading, 1000, 50, 0);
        assert_eq!((list[0], list[49]), (980, 0));
    }

    #[test]
    fn trailing_visits_the_last_step() {
        for sampler in [Sampler::Ddim, Sampler::Ddpm, Sampler::DpmSolverPp, Sampler::Euler, Sampler::Heun] {
            assert_eq!(visited(sampler, TimestepSpacing::Trailing, 1000, 4, 0), [999, 749, 499, 249]);
        }
    }

    #[test]
    fn trailing_rounds_its_halves_as_numpy_does() {
        // np.round(np.arange(50, 0, -50 / 12)) - 1: multiplying out would round the 12.5 of the tenth down.
        assert_eq!(
            visited(Sampler::Ddim, TimestepSpacing::Trailing, 50, 12, 0),
            [49, 45, 41, 37, 32, 28, 24, 20, 16, 12, 7, 3]
        );
    }

    #[test]
    fn linspace_visits_both_ends() {
        assert_eq!(visited(Sampler::Ddim, TimestepSpacing::Linspace, 1000, 4, 0), [999, 666, 333, 0]);
        assert_eq!(visited(Sampler::Ddim, TimestepSpacing::Linspace, 1000, 1, 0), [0]);
    }

    #[test]
    fn the_solver_drops_the_last_point() {
        let solver = Sampler::DpmSolverPp;
        assert_eq!(visited(solver, TimestepSpacing::Linspace, 1000, 4, 0), [999, 749, 500, 250]);
        assert_eq!(visited(solver, TimestepSpacing::Leading, 1000, 4, 0), [800, 600, 400, 200]);
        assert_eq!(visited(solver, TimestepSpacing::Leading, 1000, 4, 1), [801, 601, 401, 201]);
        assert_eq!(visited(solver, TimestepSpacing::Linspace, 1000, 1, 0), [999]);
    }

    #[test]
    fn euler_and_heun_stand_between_timesteps_with_linspace_alone() {
        let places = |timestep_spacing, steps| {
            let settings =
                Sampling { sampler: Sampler::Euler, timestep_spacing, steps, ..defaults().sampling };
            places(&settings, 1000)
        };
        assert_eq!(places(TimestepSpacing::Linspace, 5), [999.0, 749.25, 499.5, 249.75, 0.0]);
        assert_eq!(places(TimestepSpacing::Linspace, 1), [0.0]);
        // In 32 bits, as diffusers has them.
        assert_eq!(places(TimestepSpacing::Linspace, 8)[6], f64::from(142.714_28_f32));
        assert_eq!(places(TimestepSpacing::Leading, 4), [750.0, 500.0, 250.0, 0.0]);
        assert_eq!(places(TimestepSpacing::Trailing, 4), [999.0, 749.0, 499.0, 249.0]);
    }

    #[test]
    fn every_spacing_visits_all_steps_once_when_n_is_t() {
        for spacing in [TimestepSpacing::Leading, TimestepSpacing::Linspace, TimestepSpacing::Trailing] {
            assert_eq!(visited(Sampler::Ddim, spacing, 7, 7, 0), [6, 5, 4, 3, 2, 1, 0]);
        }
    }

    #[test]
    fn the_solver_visits_no_step_twice() {
        // A step of no length would divide by zero.
        for spacing in [TimestepSpacing::Leading, TimestepSpacing::Linspace, TimestepSpacing::Trailing] {
            for (total, steps) in (2..60).flat_map(|total| (1..total).map(move |steps| (total, steps))) {
                let list = visited(Sampler::DpmSolverPp, spacing, total, steps, 0);
                assert_eq!(list.len(), steps);
                assert!(
                    list.windows(2).all(|pair| pair[0] > pair[1]),
                    "{spacing:?} {total} {steps}: {list:?}"
                );
            }
        }
    }
}
