//! The noise schedules of the variants, drawn: β, ᾱ and log-SNR over the chain.
//!
//! In: the configurations. Out: one curve for each schedule that differs, with the variants that use it.

use serde::Serialize;

use super::packed::Packed;
use crate::config::Diffusion;
use crate::diffusion::Schedule;
use crate::report::load::Loaded;

/// Points of a drawn chain; its ends are among them.
const POINTS: usize = 160;

/// One chain.
#[derive(Debug, Serialize)]
pub(super) struct Drawn {
    name: String,
    timesteps: usize,
    /// Places of the variants that use it.
    variants: Vec<usize>,
    t: Packed,
    beta: Packed,
    alpha_bar: Packed,
    /// No value where nothing of the signal is left.
    log_snr: Packed,
}

/// Every chain once, in the order of the variants.
pub(super) fn schedules(loaded: &Loaded) -> Vec<Drawn> {
    let mut known: Vec<(Schedule, Drawn)> = Vec::new();
    for (place, variant) in loaded.variants.iter().enumerate() {
        let Some(diffusion) = variant.config.as_ref().map(|config| &config.diffusion) else { continue };
        let Ok(schedule) = Schedule::new(diffusion) else { continue };
        match known.iter_mut().find(|(other, _)| *other == schedule) {
            Some((_, drawn)) => drawn.variants.push(place),
            None => {
                let drawn = draw(diffusion, &schedule, place);
                known.push((schedule, drawn));
            }
        }
    }
    let mut drawn: Vec<Drawn> = known.into_iter().map(|(_, drawn)| drawn).collect();
    tell_apart(&mut drawn);
    drawn
}

/// Chains of one name differ in the ends of β.
fn tell_apart(drawn: &mut [Drawn]) {
    let names: Vec<String> = drawn.iter().map(|one| one.name.clone()).collect();
    for one in drawn.iter_mut().filter(|one| names.iter().filter(|name| **name == one.name).count() > 1) {
        if let (Some(first), Some(last)) = (one.beta.0.first(), one.beta.0.last()) {
            one.name = format!("{}, β {first:.3e} to {last:.3e}", one.name);
        }
    }
}

fn draw(diffusion: &Diffusion, schedule: &Schedule, place: usize) -> Drawn {
    let last = schedule.len() - 1;
    let points = POINTS.min(schedule.len());
    let at: Vec<usize> = (0..points).map(|point| point * last / (points - 1).max(1)).collect();
    let column = |value: &dyn Fn(usize) -> f64| at.iter().map(|t| value(*t)).collect::<Packed>();
    let ending = if diffusion.zero_terminal_snr { ", ends in noise" } else { "" };
    Drawn {
        name: format!("{}, T = {}{ending}", diffusion.noise_schedule.name(), diffusion.timesteps),
        timesteps: diffusion.timesteps,
        variants: vec![place],
        t: column(&|t| t as f64),
        beta: column(&|t| schedule.betas[t]),
        alpha_bar: column(&|t| schedule.alpha_bars[t]),
        log_snr: column(&|t| Some(schedule.log_snr(t)).filter(|value| value.is_finite()).unwrap_or(f64::NAN)),
    }
}
