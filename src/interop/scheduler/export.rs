//! Our chain as diffusers describes it.
//!
//! In: `[diffusion]` and `[sampling]`. Out: `scheduler/scheduler_config.json` of a `DDPMScheduler`, which the pipeline of
//! DDIM turns into its own: every field that either knows is stated.

use serde_json::{Value, json};

use super::{PREDICTIONS, SCHEDULES, SPACINGS, VARIANCES, word};
use crate::config::{Diffusion, NoiseSchedule, Sampling};
use crate::diffusion::{betas, ends};
use crate::interop::VERSION;

/// The class that is named.
pub(in crate::interop) const CLASS: &str = "DDPMScheduler";

/// The configuration of the same chain in diffusers.
pub(in crate::interop) fn export(diffusion: &Diffusion, sampling: &Sampling) -> Value {
    let (start, end) = ends(diffusion);
    // DDPM's scheduler alone knows the name; every scheduler takes the numbers, and before any name.
    let named = diffusion.noise_schedule != NoiseSchedule::Sigmoid;
    let trained = (!named).then(|| betas(diffusion.noise_schedule, diffusion.timesteps, (start, end)));
    json!({
        "_class_name": CLASS,
        "_diffusers_version": VERSION,
        "beta_end": end,
        "beta_schedule": word(&SCHEDULES, &diffusion.noise_schedule),
        "beta_start": start,
        "clip_sample": sampling.clip_sample,
        "clip_sample_range": sampling.clip_sample_range,
        "dynamic_thresholding_ratio": 0.995,
        "num_train_timesteps": diffusion.timesteps,
        "prediction_type": word(&PREDICTIONS, &diffusion.prediction_type),
        "rescale_betas_zero_snr": diffusion.zero_terminal_snr,
        "sample_max_value": 1.0,
        // DDIM's alone: the other scheduler keeps it for that one.
        "set_alpha_to_one": sampling.set_alpha_to_one,
        "steps_offset": sampling.steps_offset,
        "thresholding": false,
        "timestep_spacing": word(&SPACINGS, &sampling.timestep_spacing),
        "trained_betas": trained,
        "variance_type": word(&VARIANCES, &sampling.variance),
    })
}
