//! What is said of a noise schedule in words: its name among others, and what its end means for sampling.
//!
//! In: a schedule with its settings. Out: text.

use crate::config::{Diffusion, NoiseSchedule};
use crate::diffusion::{Schedule, curve};
use crate::plan::short_float;

/// Shares of the signal's standard deviation that a chain may end with: below the first nothing is noticed, below
/// the second only brightness suffers (Lin et al. 2024 found it with 6.8 %).
const LEFT: (f64, f64) = (0.01, 0.1);

/// A schedule and what it was made from.
pub(crate) struct Shown {
    pub(crate) diffusion: Diffusion,
    pub(crate) schedule: Schedule,
}

impl Shown {
    /// ᾱ_T.
    pub(crate) fn last_alpha_bar(&self) -> f64 {
        self.schedule.alpha_bars[self.schedule.len() - 1]
    }
}

/// Shape and length, then whatever differs between the schedules, or, of a single one, from the defaults.
pub(crate) fn label(one: &Shown, shown: &[Shown]) -> Vec<String> {
    let mine = further(&one.diffusion);
    let differs = |place: usize| {
        let stated = || shown.iter().filter_map(|other| further(&other.diffusion)[place].clone());
        let repeated = stated().all(|other| Some(other) == stated().next());
        // That one chain ends in noise alone tells it from those that say nothing; the others do not ask.
        !repeated || place == ZERO_SNR && stated().count() < shown.len()
    };
    let told = (0..mine.len()).filter(|place| shown.len() == 1 || differs(*place));
    let diffusion = &one.diffusion;
    let mut parts = vec![diffusion.noise_schedule.name().to_owned(), format!("T = {}", diffusion.timesteps)];
    parts.extend(told.filter_map(|place| mine[place].clone()));
    parts
}

/// Place of zero terminal SNR among the further settings.
const ZERO_SNR: usize = 2;

/// Settings besides shape and length, each where it has an effect.
fn further(diffusion: &Diffusion) -> [Option<String>; 3] {
    let Diffusion { beta_start, beta_end, rescale_betas, zero_terminal_snr, .. } = *diffusion;
    let uses_betas = diffusion.noise_schedule != NoiseSchedule::Cosine;
    let rescaled = if rescale_betas { "rescaled" } else { "not rescaled" };
    [
        uses_betas.then(|| format!("beta {} to {}", short_float(beta_start), short_float(beta_end))),
        (uses_betas && diffusion.timesteps != 1000).then(|| rescaled.to_owned()),
        zero_terminal_snr.then(|| "zero SNR".to_owned()),
    ]
}

/// What the end of a chain means for sampling, and what to do about it.
pub(crate) fn verdict(one: &Shown) -> String {
    let left = one.last_alpha_bar().sqrt();
    let share = percent(left);
    let end = if left == 0.0 {
        "ends in noise alone, which is what sampling starts from. It needs prediction_type \"v\" or \"x0\", and a \
         timestep_spacing that visits the last step (\"trailing\")."
            .to_owned()
    } else if left < LEFT.0 {
        format!(
            "ends in practically pure noise, which is what sampling starts from: {share} of the signal's standard \
             deviation is left."
        )
    } else if left < LEFT.1 {
        format!(
            "leaves {share} of the signal's standard deviation at the last step, and sampling starts from noise \
             without it: very dark and very bright images come out nearer to grey. {}",
            remedy(one)
        )
    } else {
        format!(
            "leaves {share} of the signal's standard deviation at the last step. Sampling starts from pure noise, \
             which this network never sees in training, so its images will be poor whatever else is right. {}",
            remedy(one)
        )
    };
    match curve::reach(&one.schedule) {
        Some((low, high)) if low <= curve::WINDOW.0 && high >= curve::WINDOW.1 => end,
        _ => format!(
            "{end} It does not cover log-SNR 6 to -6, so denoise_score and denoise_bits will be empty."
        ),
    }
}

/// The setting that mends a chain which ends too early, and what it would leave.
fn remedy(one: &Shown) -> String {
    let without = "zero_terminal_snr = true with prediction_type \"v\" leaves none.";
    if one.diffusion.noise_schedule == NoiseSchedule::Cosine {
        return format!("More timesteps leave less; {without}");
    }
    let rescaled = Diffusion { rescale_betas: true, ..one.diffusion.clone() };
    let better = Schedule::new(&rescaled).ok().map(|schedule| schedule.alpha_bars[schedule.len() - 1].sqrt());
    match better.filter(|better| *better < one.last_alpha_bar().sqrt() / 2.0) {
        Some(better) => format!("rescale_betas = true leaves {}; {without}", percent(better)),
        None => format!("A larger beta_end leaves less; {without}"),
    }
}

/// Four digits, with an exponent where zeros would hide them.
pub(crate) fn figure(value: f64) -> String {
    if value == 0.0 {
        return "0".into();
    }
    match value.abs().log10().floor() as i32 {
        digits @ -3..=5 => format!("{value:.*}", (3 - digits).max(0) as usize),
        _ => format!("{value:.3e}"),
    }
}

/// A share for people.
pub(crate) fn percent(share: f64) -> String {
    match share * 100.0 {
        0.0 => "0 %".into(),
        small if small < 0.001 => format!("{small:.0e} %"),
        small if small < 0.1 => format!("{small:.3} %"),
        medium if medium < 10.0 => format!("{medium:.2} %"),
        large => format!("{large:.0} %"),
    }
}

#[cfg(test)]
#[path = "words_tests.rs"]
mod tests;
