//! How a chosen network is trained: batch, steps, learning rate, average, dropout, schedule.
//!
//! In: what is asked, the network's size and its way through memory. Out: the settings, written into the configuration,
//! and [`Reasons`], the figures that they rest on.

use super::ask::{Ask, Pace};
use crate::config::{Config, NoiseSchedule, Tracks};
use crate::sizing::Place;

/// Images of an optimizer step, up to 64 pixels and beyond: Ho's.
const BATCHES: [usize; 2] = [128, 64];
/// Where a batch gives way to more steps.
const FEWEST_STEPS: f64 = 5_000.0;
/// Below it gradients are noise.
const SMALLEST_BATCH: usize = 16;
/// Images for each parameter that training sees, without hours and with plenty of them: about the least and the most of
/// the published networks.
const IMAGES_PER_PARAMETER: [f64; 2] = [1.0, 4.0];
/// EDM's on CIFAR-10, the most of any.
const MOST_PASSES: f64 = 4_000.0;
/// From how many passes on a network learns its images by heart if it can.
const PASSES_TO_OVERFIT: f64 = 50.0;
/// Parameters for each number of the data set, and the dropout from there on: FFHQ of EDM has 0.07 and 0.05, Ho's
/// CIFAR-10 0.23 and 0.1, AFHQ of EDM 0.33 and 0.25.
const DROPOUTS: [(f64, f64); 3] = [(0.3, 0.2), (0.1, 0.1), (0.02, 0.05)];
/// Share of the hours that steps may take; evaluations, samples and checkpoints have the rest.
const SHARE_OF_STEPS: f64 = 0.95;
/// Seconds in an hour.
const HOUR: f64 = 3600.0;

/// What ends the training.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// As many images as there are parameters, or four times as many where hours allow: what published networks saw.
    Parameters,
    /// More passes over the data set than anybody has made.
    Passes,
    /// The hours.
    Hours,
}

/// Figures that the training's settings rest on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reasons {
    /// What ends it.
    pub end: End,
    /// Images seen for each parameter.
    pub images_per_parameter: f64,
    /// Parameters for each number of the data set.
    pub parameters_per_value: f64,
    /// Passes over the data set.
    pub passes: f64,
}

/// Images of an optimizer step.
pub(super) fn batch_size(ask: &Ask<'_>) -> usize {
    let usual = BATCHES[usize::from(ask.image_size > 64)];
    // A batch holds no image twice.
    let whole = |batch: &usize| *batch as u64 <= ask.images();
    let halves = std::iter::successors(Some(usual), |batch| Some(batch / 2));
    ask.batch_size.unwrap_or_else(|| halves.take_while(|&batch| batch > 1).find(whole).unwrap_or(1))
}

/// Images that training can see in some hours.
pub(super) fn images_within(hours: f64, pace: &dyn Pace, config: &Config) -> f64 {
    SHARE_OF_STEPS * hours * HOUR / pace.step_seconds(config) * config.training.batch_size as f64
}

/// Dropout of a network that sees its data set often.
pub(super) fn dropout(ask: &Ask<'_>, parameters: u64) -> f64 {
    let ratio = parameters as f64 / ask.values();
    DROPOUTS.into_iter().find(|(from, _)| ratio >= *from).map_or(0.0, |(_, dropout)| dropout)
}

/// Settles the training of a configuration whose network and way through memory are laid.
pub(super) fn apply(ask: &Ask<'_>, hours: Option<f64>, parameters: u64, config: &mut Config) -> Reasons {
    let timed = hours.zip(ask.pace);
    let (mut images, mut end) = wanted(ask, timed, parameters, config);
    if let (Some((hours, pace)), None) = (timed, ask.batch_size) {
        while images / (config.training.batch_size as f64) < FEWEST_STEPS && halve(config) {
            (images, end) = wanted(ask, Some((hours, pace)), parameters, config);
        }
    }
    let batch = config.training.batch_size as f64;
    settle(config, images / batch);
    if let Some((hours, pace)) = timed {
        keep_within(hours, pace, config);
    }
    let images = config.training.steps.unwrap_or(0) as f64 * batch;
    let passes = images / ask.images() as f64;
    if passes < PASSES_TO_OVERFIT {
        config.model.dropout = 0.0;
    }
    let wide = config.model.base_channels > 128 || config.data.image_size > 64;
    config.training.learning_rate = if wide { 1e-4 } else { 2e-4 };
    config.diffusion.noise_schedule =
        if config.data.image_size > 64 { NoiseSchedule::Linear } else { NoiseSchedule::Cosine };
    if ask.place == Place::Host {
        config.runtime.device = crate::config::Device::Cpu;
    }
    Reasons {
        end,
        images_per_parameter: images / parameters as f64,
        parameters_per_value: parameters as f64 / ask.values(),
        passes,
    }
}

/// Images to see, and why no more.
fn wanted(ask: &Ask<'_>, timed: Option<(f64, &dyn Pace)>, parameters: u64, config: &Config) -> (f64, End) {
    let [least, most] = IMAGES_PER_PARAMETER;
    let passes = (MOST_PASSES * ask.images() as f64, End::Passes);
    let by_size = |each: f64| (each * parameters as f64, End::Parameters);
    let found = match timed {
        Some((hours, pace)) => [(images_within(hours, pace, config), End::Hours), by_size(most), passes],
        None => [by_size(least), passes, passes],
    };
    found.into_iter().min_by(|(one, _), (other, _)| one.total_cmp(other)).unwrap_or(passes)
}

/// Half as many images a step, in micro-batches of the same size while they fit; whether there was anything to halve.
fn halve(config: &mut Config) -> bool {
    let training = &mut config.training;
    let half = training.batch_size / 2;
    if half < SMALLEST_BATCH || !training.batch_size.is_multiple_of(2) {
        return false;
    }
    let accumulation = training.gradient_accumulation;
    let halved = if accumulation.is_multiple_of(2) { accumulation / 2 } else { accumulation };
    if !half.is_multiple_of(halved) {
        return false;
    }
    (training.batch_size, training.gradient_accumulation) = (half, halved);
    true
}

/// Steps and everything that is counted in them.
fn settle(config: &mut Config, steps: f64) {
    let steps = floor_to_digits(steps.max(1.0), 3) as u64;
    config.training.steps = Some(steps);
    config.training.warmup_steps = (steps / 10).min(1000);
    let decay = match steps {
        // Its warm-up reaches a decay at nine times 1/(1 - decay).
        150_000.. => 0.9999,
        15_000.. => 0.999,
        1_500.. => 0.99,
        _ => 0.9,
    };
    config.ema.decay = Tracks::new(vec![decay]).unwrap_or_else(|| config.ema.decay.clone());
    config.checkpoint.every = round_number(steps / 50);
    config.evaluation.every = round_number(steps / 20);
    config.sampling.every = round_number(steps / 20);
}

/// Takes steps off until the whole run, with its evaluations and samples, stays within the hours.
fn keep_within(hours: f64, pace: &dyn Pace, config: &mut Config) {
    for _ in 0..8 {
        let over = pace.run_seconds(config) / (hours * HOUR);
        let steps = config.training.steps.unwrap_or(1);
        if over <= 1.0 || steps <= 1 {
            return;
        }
        settle(config, (steps as f64 / over).min(steps as f64 - 1.0));
    }
}

/// The largest number of so many significant digits that is not above `x`.
fn floor_to_digits(x: f64, digits: i32) -> f64 {
    let unit = 10.0_f64.powi((x.log10().floor() as i32 + 1 - digits).max(0));
    (x / unit).floor() * unit
}

/// The largest of 1, 2, 5, 10, 20, ... that is not above `x`; at least 1.
fn round_number(x: u64) -> u64 {
    let mut found = 1;
    for power in 0..18 {
        for digit in [1, 2, 5] {
            let number = digit * 10_u64.pow(power);
            if number <= x {
                found = number;
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sizing::recommend::tests::ask;

    #[test]
    fn steps_are_round_and_never_more_than_asked() {
        assert_eq!(
            [1.0, 1234.5, 299_999.0, 1e6].map(|x| floor_to_digits(x, 3)),
            [1.0, 1230.0, 299_000.0, 1e6]
        );
        assert_eq!([0, 1, 3, 49, 50, 999, 14_000].map(round_number), [1, 1, 2, 20, 50, 500, 10_000]);
    }

    #[test]
    fn dropout_follows_how_many_parameters_a_number_of_the_data_set_has() {
        let of =
            |images, parameters| dropout(&Ask { dataset_size: Some(images), ..ask(16.0, 32) }, parameters);
        assert_eq!(of(50_000, 35_746_307), 0.1, "Ho's on CIFAR-10");
        assert_eq!(of(1_280_000, 35_746_307), 0.0);
        assert_eq!(of(1_000, 35_746_307), 0.2);
    }

    #[test]
    fn a_batch_has_no_image_twice() {
        assert_eq!(batch_size(&ask(16.0, 32)), 128);
        assert_eq!(batch_size(&ask(16.0, 256)), 64);
        assert_eq!(batch_size(&Ask { dataset_size: Some(50), ..ask(16.0, 32) }), 32);
        assert_eq!(batch_size(&Ask { dataset_size: Some(1), ..ask(16.0, 32) }), 1);
        assert_eq!(batch_size(&Ask { batch_size: Some(100), ..ask(16.0, 32) }), 100);
    }

    #[test]
    fn every_decay_is_reached_by_its_warm_up() {
        for steps in [100.0, 1_500.0, 15_000.0, 150_000.0] {
            let mut config = crate::config::defaults();
            settle(&mut config, steps);
            let decay = config.ema.decay.all()[0];
            let last = (1.0 + steps) / (10.0 + steps);
            assert!(last >= decay, "{steps}: {last} is below {decay}");
        }
    }
}
