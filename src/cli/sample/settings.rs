//! What a command line makes of a run's `[sampling]`.

use super::Args;
use crate::cli::failure::Failure;
use crate::config::{self, Config, Sampler, Sampling, Variance};

/// The run's own settings with the flags laid over them.
pub(super) fn settings(args: &Args, config: &Config) -> Result<Sampling, Failure> {
    let mut sampling = config.sampling.clone();
    sampling.sampler = args.sampler.unwrap_or(sampling.sampler);
    sampling.clip_sample = args.clip_sample.unwrap_or(sampling.clip_sample);
    forget_other_samplers(&mut sampling);
    sampling.steps = args.steps.map_or(sampling.steps, |steps| steps as usize);
    sampling.eta = args.eta.unwrap_or(sampling.eta);
    sampling.variance = args.variance.unwrap_or(sampling.variance);
    sampling.timestep_spacing = args.timestep_spacing.unwrap_or(sampling.timestep_spacing);
    sampling.steps_offset = args.steps_offset.map_or(sampling.steps_offset, |offset| offset as usize);
    sampling.clip_sample_range = args.clip_sample_range.unwrap_or(sampling.clip_sample_range);
    sampling.set_alpha_to_one = args.set_alpha_to_one.unwrap_or(sampling.set_alpha_to_one);
    in_range(&sampling)?;
    let drawn = Config { sampling, ..config.clone() };
    config::check_sampling(&drawn)?;
    Ok(drawn.sampling)
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
