//! What a variant will cost and cover, worked out before it is trained, and what a user should know about it.
//!
//! In: a resolved configuration. Out: [`Facts`] (parameters, operations, ends of the noise schedule) and
//! notes: settings that are allowed but do not do what one might expect.

use std::collections::HashMap;

use crate::config::{
    Config, Data, Device, Diffusion, EmaKind, Evaluation, Metric, Model, NoiseSchedule, Precision,
    TimestepSpacing,
};
use crate::diffusion::{Schedule, curve, timesteps};
use crate::sizing;

/// Share of the signal's standard deviation that may be left where sampling starts from noise alone.
const SIGNAL_AT_START: f64 = 0.1;

/// Both ends of a noise schedule.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ScheduleFacts {
    /// ᾱ at the first timestep.
    pub alpha_bar_first: f64,
    /// ᾱ at the last timestep: the share of the image's variance left in what sampling starts from.
    pub alpha_bar_last: f64,
    /// Log-SNR λ at the first timestep, the highest.
    pub log_snr_first: f64,
    /// Log-SNR λ at the last timestep, the lowest; −∞ with zero terminal SNR.
    pub log_snr_last: f64,
    /// Whether the held-out denoising metrics can be measured over their whole window.
    pub(crate) covers_window: bool,
    /// The first timestep with hardly any signal left.
    pub(crate) noise_from: Option<usize>,
}

/// What is known about a variant beforehand.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Facts {
    /// Trainable parameters.
    pub(crate) parameters: u64,
    /// Operations of one forward and backward pass over one image.
    pub(crate) train_flops_per_image: u64,
    /// Ends of the noise schedule.
    pub(crate) schedule: ScheduleFacts,
    /// Settings that do not do what one might expect, each a sentence.
    pub(crate) notes: Vec<String>,
}

/// Computes facts, each schedule once however many variants share it, and a network once for as long as the
/// following variants have the same.
#[derive(Default)]
pub(crate) struct FactsBook {
    network: Option<Network>,
    schedules: HashMap<ScheduleKey, Result<ScheduleFacts, String>>,
}

struct Network {
    model: Model,
    data: Data,
    parameters: u64,
    train_flops_per_image: u64,
}

/// The settings that a schedule depends on, comparable by their bits.
type ScheduleKey = (usize, NoiseSchedule, [u64; 2], [bool; 2]);

impl FactsBook {
    /// The facts of a configuration, or in words why it has no noise schedule.
    pub(crate) fn facts(&mut self, config: &Config) -> Result<Facts, String> {
        let schedule = self.schedule(&config.diffusion)?;
        let network = self.network(config);
        let (parameters, train_flops_per_image) = (network.parameters, network.train_flops_per_image);
        let notes = [
            decay_note(config),
            precision_note(config),
            coverage_note(config, &schedule),
            start_note(config, &schedule),
            pin_note(config),
        ];
        Ok(Facts {
            parameters,
            train_flops_per_image,
            schedule,
            notes: notes.into_iter().flatten().collect(),
        })
    }

    fn network(&mut self, config: &Config) -> &Network {
        let known =
            self.network.take().filter(|known| known.model == config.model && known.data == config.data);
        self.network.insert(known.unwrap_or_else(|| {
            let layers = sizing::layers(&config.model, &config.data);
            Network {
                model: config.model.clone(),
                data: config.data.clone(),
                parameters: sizing::parameters_of(&layers),
                train_flops_per_image: sizing::train_flops_of(&layers),
            }
        }))
    }

    fn schedule(&mut self, diffusion: &Diffusion) -> Result<ScheduleFacts, String> {
        let betas = [diffusion.beta_start, diffusion.beta_end].map(f64::to_bits);
        let ends = [diffusion.rescale_betas, diffusion.zero_terminal_snr];
        let key = (diffusion.timesteps, diffusion.noise_schedule, betas, ends);
        self.schedules.entry(key).or_insert_with(|| schedule_facts(diffusion)).clone()
    }
}

fn schedule_facts(diffusion: &Diffusion) -> Result<ScheduleFacts, String> {
    let schedule = Schedule::new(diffusion).map_err(|error| error.to_string())?;
    let last = schedule.len().checked_sub(1).ok_or("diffusion.timesteps = 0 leaves nothing to denoise")?;
    let (lowest, highest) = curve::WINDOW;
    let reach = curve::reach(&schedule);
    Ok(ScheduleFacts {
        alpha_bar_first: schedule.alpha_bars[0],
        alpha_bar_last: schedule.alpha_bars[last],
        log_snr_first: schedule.log_snr(0),
        log_snr_last: schedule.log_snr(last),
        covers_window: reach.is_some_and(|(low, high)| low <= lowest && high >= highest),
        noise_from: schedule.alpha_bars.iter().position(|alpha_bar| alpha_bar.sqrt() < SIGNAL_AT_START),
    })
}

/// Only a calculation on the machine that trains can tell whether a CPU can, and only a stopwatch whether it should.
fn precision_note(config: &Config) -> Option<String> {
    let precision = config.training.precision.name();
    let note = match config.training.precision {
        Precision::F32 => return None,
        Precision::Tf32 => "only NVIDIA GPUs have it, and `ablate run` refuses it elsewhere",
        Precision::Bf16 | Precision::F16 => {
            "not every CPU can, which `ablate run` tries first, and only those with matrix instructions for it may be \
             faster than with \"f32\""
        }
    };
    (config.runtime.device == Device::Cpu)
        .then(|| format!("training.precision = \"{precision}\" on a CPU: {note}"))
}

/// With warm-up β_n = min(decay, (1 + n)/(10 + n)): a run that ends before the two meet never uses `decay`,
/// and equals every other run with a decay it never reaches.
fn decay_note(config: &Config) -> Option<String> {
    if config.ema.kind != EmaKind::Decay || !config.ema.warmup {
        return None;
    }
    let steps = config.training.steps?;
    let last_update = (steps - steps % config.ema.every) as f64;
    let bound_by = |step: f64, decay: f64| (1.0 + step) / (10.0 + step) >= decay;
    // The smallest that never binds: those above it never do either.
    let never = config.ema.decay.all().iter().copied().filter(|&decay| !bound_by(last_update, decay));
    let decay = never.min_by(f64::total_cmp)?;
    let binds = |step: f64| bound_by(step, decay);
    // (1 + n)/(10 + n) = decay, solved for n; rounding can leave the step on either side.
    let solved = ((10.0 * decay - 1.0) / (1.0 - decay)).floor();
    let first_bound = if binds(solved) { solved } else { solved + 1.0 };
    Some(format!(
        "ema.decay = {decay} never binds: its warm-up would reach it at step {first_bound}, after training has ended; \
         any decay that high gives the same average"
    ))
}

fn coverage_note(config: &Config, schedule: &ScheduleFacts) -> Option<String> {
    let Evaluation { every, metrics, .. } = &config.evaluation;
    if *every == 0 || metrics.iter().all(|metric| *metric == Metric::Loss) {
        return None;
    }
    let (lowest, highest) = curve::WINDOW;
    (!schedule.covers_window).then(|| {
        format!(
            "the noise schedule does not cover log-SNR {highest} to {lowest}: denoise_score and denoise_bits will be \
             empty"
        )
    })
}

/// Leading spacing takes multiples of T div steps: with many steps its first is far from the end of the chain.
fn start_note(config: &Config, schedule: &ScheduleFacts) -> Option<String> {
    let (sampling, total) = (&config.sampling, config.diffusion.timesteps);
    if sampling.every == 0 || sampling.timestep_spacing != TimestepSpacing::Leading {
        return None;
    }
    let start = *timesteps(sampling, total).first()?;
    let noise_from = schedule.noise_from.filter(|noise_from| start < *noise_from)?;
    Some(format!(
        "sampling starts from noise alone at t = {start}, where the network still expects an image in it (up to t = \
         {}): with {} steps, leading spacing ends there; sampling.timestep_spacing = \"trailing\" starts at {}",
        noise_from - 1,
        sampling.steps,
        total - 1
    ))
}

/// A run that counts in epochs learns its last step from the data.
fn pin_note(config: &Config) -> Option<String> {
    let steps = config.training.steps?;
    let beyond = config.checkpoint.pin.iter().filter(|pinned| **pinned > steps);
    let beyond: Vec<String> = beyond.map(u64::to_string).collect();
    (!beyond.is_empty()).then(|| {
        format!("checkpoint.pin names {}, after the last step (training.steps = {steps})", beyond.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Sampling, Tracks, defaults};
    use crate::plan::fixture::base_config;

    fn diffusion(noise_schedule: NoiseSchedule, timesteps: usize) -> Diffusion {
        Diffusion { timesteps, noise_schedule, rescale_betas: timesteps != 1000, ..defaults().diffusion }
    }

    #[test]
    fn the_usual_schedules_cover_the_scored_noise_levels() {
        for shape in [NoiseSchedule::Linear, NoiseSchedule::Cosine] {
            let facts = schedule_facts(&diffusion(shape, 1000)).unwrap();
            assert_eq!(coverage_note(&base_config(), &facts), None, "{facts:?}");
        }
        let linear = schedule_facts(&diffusion(NoiseSchedule::Linear, 1000)).unwrap();
        assert!((linear.alpha_bar_first - 0.9999).abs() < 1e-12);
        assert!((linear.alpha_bar_last - 4.0e-5).abs() < 5e-7);
    }

    #[test]
    fn a_short_chain_that_starts_too_noisy_is_noted() {
        let facts = schedule_facts(&diffusion(NoiseSchedule::Linear, 25)).unwrap();
        let mut config = base_config();
        assert_eq!(
            coverage_note(&config, &facts).unwrap(),
            "the noise schedule does not cover log-SNR 6 to -6: denoise_score and denoise_bits will be empty"
        );
        config.evaluation.metrics = vec![Metric::Loss];
        assert_eq!(coverage_note(&config, &facts), None, "nobody asked for them");
    }

    #[test]
    fn a_pinned_step_that_is_never_reached_is_noted() {
        let mut config = base_config();
        config.checkpoint.pin = vec![50, 1200, 100, 101];
        (config.training.steps, config.training.epochs) = (Some(100), None);
        let note = pin_note(&config).unwrap();
        assert_eq!(note, "checkpoint.pin names 1200, 101, after the last step (training.steps = 100)");
        config.checkpoint.pin = vec![100];
        assert_eq!(pin_note(&config), None);
    }

    #[test]
    fn a_last_step_without_signal_covers_nothing_by_itself() {
        let zero = |timesteps, rescale_betas| {
            let settings = Diffusion {
                zero_terminal_snr: true,
                rescale_betas,
                ..diffusion(NoiseSchedule::Linear, timesteps)
            };
            schedule_facts(&settings).unwrap()
        };
        let long = zero(1000, false);
        assert_eq!((long.alpha_bar_last, long.log_snr_last), (0.0, f64::NEG_INFINITY));
        assert_eq!(coverage_note(&base_config(), &long), None);
        assert!(coverage_note(&base_config(), &zero(20, false)).is_some());
    }

    #[test]
    fn sampling_that_starts_before_the_noise_does_is_noted() {
        let mut config = base_config();
        config.sampling = Sampling { every: 1, ..defaults().sampling };
        let schedule = schedule_facts(&diffusion(NoiseSchedule::Linear, 1000)).unwrap();
        assert_eq!(start_note(&config, &schedule), None);
        config.sampling.steps = 600;
        assert_eq!(
            start_note(&config, &schedule).unwrap(),
            "sampling starts from noise alone at t = 599, where the network still expects an image in it (up to t = \
             672): with 600 steps, leading spacing ends there; sampling.timestep_spacing = \"trailing\" starts at 999"
        );
        config.sampling.timestep_spacing = TimestepSpacing::Trailing;
        assert_eq!(start_note(&config, &schedule), None);
    }

    #[test]
    fn fewer_bits_on_a_cpu_are_noted() {
        let mut config = base_config();
        config.runtime.device = Device::Cpu;
        assert_eq!(precision_note(&config), None);
        config.training.precision = Precision::Bf16;
        assert!(
            precision_note(&config).unwrap().starts_with("training.precision = \"bf16\" on a CPU: not every")
        );
        config.training.precision = Precision::Tf32;
        assert_eq!(
            precision_note(&config).unwrap(),
            "training.precision = \"tf32\" on a CPU: only NVIDIA GPUs have it, and `ablate run` refuses it elsewhere"
        );
        config.runtime.device = Device::Cuda(0);
        assert_eq!(precision_note(&config), None);
    }

    #[test]
    fn a_decay_that_the_warm_up_never_reaches_is_noted() {
        let mut config = base_config();
        config.training.steps = Some(300);
        config.ema.decay = Tracks::new(vec![0.999]).unwrap();
        assert_eq!(
            decay_note(&config).unwrap(),
            "ema.decay = 0.999 never binds: its warm-up would reach it at step 8990, after training has ended; \
             any decay that high gives the same average"
        );
        config.training.steps = Some(8990);
        assert_eq!(decay_note(&config), None);
        config.training.steps = Some(8989);
        assert!(decay_note(&config).is_some());
        config.ema.warmup = false;
        assert_eq!(decay_note(&config), None);
    }

    #[test]
    fn a_schedule_that_reaches_one_is_refused_in_words() {
        let mut book = FactsBook::default();
        let message = book.schedule(&diffusion(NoiseSchedule::Linear, 10)).unwrap_err();
        assert!(message.contains("must stay below 1"), "{message}");
    }
}
