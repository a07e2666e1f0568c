//! The flags that lay another way of drawing images over a run's `[sampling]`.

use crate::config::{Sampler, TimestepSpacing, Variance};

/// Each takes the place of a key of `[sampling]`.
#[derive(Debug, clap::Args)]
pub(crate) struct SamplerFlags {
    /// Algorithm [default: the run's sampling.sampler].
    #[arg(long, value_enum, value_name = "S")]
    sampler: Option<Sampler>,
    /// Steps: one network evaluation each, with "heun" two but for the last [default: the run's sampling.steps].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    steps: Option<u32>,
    /// Noise of "ddim": 0 is deterministic, 1 as noisy as DDPM [default: the run's sampling.eta].
    #[arg(long, value_name = "E")]
    eta: Option<f64>,
    /// Noise of "ddpm" [default: the run's sampling.variance].
    #[arg(long, value_enum, value_name = "V")]
    variance: Option<Variance>,
    /// Which timesteps are visited [default: the run's sampling.timestep_spacing].
    #[arg(long, value_enum, value_name = "SPACING")]
    timestep_spacing: Option<TimestepSpacing>,
    /// Added to each timestep, with leading [default: the run's sampling.steps_offset].
    #[arg(long, value_name = "N")]
    steps_offset: Option<u32>,
    /// Clip the predicted image: true or false [default: the run's sampling.clip_sample].
    #[arg(long, value_name = "BOOL")]
    clip_sample: Option<bool>,
    /// How far from 0 it is clipped [default: the run's sampling.clip_sample_range].
    #[arg(long, value_name = "R")]
    clip_sample_range: Option<f64>,
    /// Whether the last step of "ddim" leads to the image itself [default: the run's sampling.set_alpha_to_one].
    #[arg(long, value_name = "BOOL")]
    set_alpha_to_one: Option<bool>,
}

#[cfg(feature = "torch")]
mod with_torch {
    use super::SamplerFlags;
    use crate::cli::failure::Failure;
    use crate::config::{self, Config, Sampler, Sampling, Variance};

    impl SamplerFlags {
        /// The first flag that was given.
        pub(crate) fn given(&self) -> Option<&'static str> {
            let flags = [
                ("--sampler", self.sampler.is_some()),
                ("--steps", self.steps.is_some()),
                ("--eta", self.eta.is_some()),
                ("--variance", self.variance.is_some()),
                ("--timestep-spacing", self.timestep_spacing.is_some()),
                ("--steps-offset", self.steps_offset.is_some()),
                ("--clip-sample", self.clip_sample.is_some()),
                ("--clip-sample-range", self.clip_sample_range.is_some()),
                ("--set-alpha-to-one", self.set_alpha_to_one.is_some()),
            ];
            flags.into_iter().find(|(_, given)| *given).map(|(flag, _)| flag)
        }

        /// The run's own settings with the flags laid over them.
        pub(crate) fn over(&self, config: &Config) -> Result<Sampling, Failure> {
            let mut sampling = config.sampling.clone();
            sampling.sampler = self.sampler.unwrap_or(sampling.sampler);
            sampling.clip_sample = self.clip_sample.unwrap_or(sampling.clip_sample);
            forget_other_samplers(&mut sampling);
            sampling.steps = self.steps.map_or(sampling.steps, |steps| steps as usize);
            sampling.eta = self.eta.unwrap_or(sampling.eta);
            sampling.variance = self.variance.unwrap_or(sampling.variance);
            sampling.timestep_spacing = self.timestep_spacing.unwrap_or(sampling.timestep_spacing);
            sampling.steps_offset = self.steps_offset.map_or(sampling.steps_offset, |offset| offset as usize);
            sampling.clip_sample_range = self.clip_sample_range.unwrap_or(sampling.clip_sample_range);
            sampling.set_alpha_to_one = self.set_alpha_to_one.unwrap_or(sampling.set_alpha_to_one);
            in_range(&sampling)?;
            let drawn = Config { sampling, ..config.clone() };
            config::check_sampling(&drawn)?;
            Ok(drawn.sampling)
        }
    }

    /// What the run set for another sampler is no mistake of the flags.
    fn forget_other_samplers(sampling: &mut Sampling) {
        if sampling.sampler != Sampler::Ddim {
            sampling.eta = 0.0;
            sampling.set_alpha_to_one = true;
        }
        if sampling.sampler != Sampler::Ddpm {
            sampling.variance = Variance::FixedSmall;
        }
        if !(sampling.sampler.clips() && sampling.clip_sample) {
            sampling.clip_sample_range = 1.0;
        }
    }

    fn in_range(sampling: &Sampling) -> Result<(), Failure> {
        if !(0.0..=1.0).contains(&sampling.eta) {
            return Err(Failure::user(format!("--eta {} is out of range", sampling.eta))
                .with_help("use 0 (deterministic) to 1 (as noisy as DDPM)"));
        }
        let range = sampling.clip_sample_range;
        if !(range > 0.0 && range.is_finite()) {
            return Err(Failure::user(format!("--clip-sample-range {range} is out of range"))
                .with_help("use a number above 0; 1 is the range of images"));
        }
        Ok(())
    }
}
