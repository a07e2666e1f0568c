//! Exponential moving averages of the weights: how each track forgets.
//!
//! In: `[ema]` and the step. Out: the decay of a step, and which averages it moves how far.

use super::parameters::Flat;
use crate::config::{Ema, EmaKind};
use crate::ops::Average;

/// Decay of one optimizer step, the `step`-th, for the track of a setting: with kind `decay` the setting itself,
/// with warm-up min(setting, (1+step)/(10+step)); with `power` β_n = (1 − 1/n)^(γ+1) (Karras et al. 2024,
/// "EDM2", section 3.1).
pub(super) fn decay(ema: &Ema, setting: f64, step: u64) -> f64 {
    match ema.kind {
        EmaKind::Decay if ema.warmup => setting.min((1 + step) as f64 / (10 + step) as f64),
        EmaKind::Decay => setting,
        EmaKind::Power => power_decay(setting, 1, step),
    }
}

/// Decay of the update after `step` completed steps, which stands for `every` of them: β^every, or with `power` the
/// product of the β_n it stands for. That product telescopes to (1 − every/step)^(γ+1), which is β_n with n
/// counting the updates.
fn update_decay(ema: &Ema, setting: f64, step: u64) -> f64 {
    match ema.kind {
        EmaKind::Decay => decay(ema, setting, step).powf(ema.every as f64),
        EmaKind::Power => power_decay(setting, ema.every, step),
    }
}

fn power_decay(sigma_rel: f64, every: u64, step: u64) -> f64 {
    (1.0 - every as f64 / step as f64).powf(gamma(sigma_rel) + 1.0)
}

/// The exponent γ of an average whose width is a share `sigma_rel` of the training so far:
/// σ_rel² = (γ+1)/((γ+2)²(γ+3)) (ibid.), whose right side falls for γ ≥ 0.
fn gamma(sigma_rel: f64) -> f64 {
    let width = |gamma: f64| (gamma + 1.0) / (gamma + 2.0).powi(2) / (gamma + 3.0);
    // Since (γ+1)/(γ+3) < 1, the solution lies below 1/σ_rel.
    let (mut low, mut high) = (0.0, 1.0 / sigma_rel);
    loop {
        let middle = low + (high - low) / 2.0;
        if middle <= low || middle >= high {
            return middle;
        }
        match width(middle) > sigma_rel * sigma_rel {
            true => low = middle,
            false => high = middle,
        }
    }
}

/// The averages that move at this step, each with its decay: average ← β·average + (1 − β)·weights.
pub(super) fn due<'a>(averages: &'a mut [Flat], ema: &Ema, step: u64) -> Vec<Average<'a>> {
    if !step.is_multiple_of(ema.every) {
        return vec![];
    }
    let tracks = averages.iter_mut().zip(ema.tracks());
    tracks.map(|(values, setting)| Average { values, decay: update_decay(ema, *setting, step) }).collect()
}

#[cfg(test)]
mod tests {
    use burn::tensor::Tensor;

    use super::*;
    use crate::config::{Tracks, defaults};
    use crate::ops::{self, DeviceName, Writable};

    fn power(sigma_rel: &[f64], every: u64) -> Ema {
        let sigma_rel = Tracks::new(sigma_rel.to_vec()).unwrap();
        Ema { kind: EmaKind::Power, sigma_rel, every, ..defaults().ema }
    }

    #[test]
    fn gamma_is_the_papers_and_solves_its_equation() {
        assert_eq!(format!("{:.2} {:.2}", gamma(0.05), gamma(0.10)), "16.97 6.94");
        for sigma_rel in [1e-9, 1e-3, 0.05, 0.1, 0.2, 0.2799] {
            let gamma = gamma(sigma_rel);
            let back = ((gamma + 1.0) / ((gamma + 2.0).powi(2) * (gamma + 3.0))).sqrt();
            assert!((back / sigma_rel - 1.0).abs() < 1e-12, "{sigma_rel}: {gamma} gives {back}");
        }
    }

    #[test]
    fn the_widest_power_average_is_the_plain_mean() {
        // γ = 0 is the plain mean of all weights so far, whose width is √(1/12) of the training.
        let ema = power(&[(1.0_f64 / 12.0).sqrt()], 1);
        for n in 1..50 {
            assert!((decay(&ema, ema.tracks()[0], n) - (1.0 - 1.0 / n as f64)).abs() < 1e-9);
        }
    }

    #[test]
    fn a_power_average_forgets_its_start_with_the_first_update() {
        let ema = power(&[0.05, 0.1], 1);
        for setting in ema.tracks() {
            assert_eq!(decay(&ema, *setting, 1), 0.0);
            assert!(decay(&ema, *setting, 2) > 0.0);
        }
        assert!((decay(&ema, 0.05, 100) - 0.99_f64.powf(17.97)).abs() < 1e-4);
    }

    #[test]
    fn skipped_steps_are_made_up_for() {
        let ema = power(&[0.05], 4);
        for step in (4..400).step_by(4) {
            let product: f64 = (step - 3..=step).map(|n| decay(&ema, 0.05, n)).product();
            assert!((update_decay(&ema, 0.05, step) - product).abs() < 1e-12, "{step}");
        }
        let ema = Ema { every: 4, warmup: false, ..defaults().ema };
        assert!((update_decay(&ema, 0.999, 8) - 0.999_f64.powi(4)).abs() < 1e-15);
    }

    #[test]
    fn warm_up_holds_a_decay_back_until_it_binds() {
        let ema = Ema { warmup: true, ..defaults().ema };
        assert_eq!(decay(&ema, 0.999, 1), 2.0 / 11.0);
        assert_eq!(decay(&ema, 0.999, 8989), 8990.0 / 8999.0);
        assert_eq!(decay(&ema, 0.999, 8990), 0.999);
        assert_eq!(decay(&Ema { warmup: false, ..ema }, 0.999, 1), 0.999);
    }

    #[test]
    fn tracks_move_side_by_side_each_by_its_own_decay() {
        let (_, device) = ops::open(DeviceName::Cpu).unwrap();
        let flat = |value: f32| vec![Tensor::<1>::from_floats([value, -value], &device)];
        let decay = Tracks::new(vec![0.5, 0.75]).unwrap();
        let ema = Ema { decay, warmup: false, ..defaults().ema };
        let (mut averages, mut weights) = ([flat(1.0), flat(1.0)], flat(3.0));
        ops::update(&Writable::of(&mut weights), None, due(&mut averages, &ema, 1));
        let values = averages.map(|average| average[0].to_data().try_into_vec::<f32>().unwrap());
        assert_eq!(values, [vec![2.0, -2.0], vec![1.5, -1.5]]);
    }

    #[test]
    fn an_average_moves_only_at_every_so_many_steps() {
        let (_, device) = ops::open(DeviceName::Cpu).unwrap();
        let mut averages = [vec![Tensor::<1>::from_floats([1.0], &device)]];
        let ema = Ema { every: 3, warmup: false, ..defaults().ema };
        let moving: Vec<u64> = (1..=9).filter(|step| !due(&mut averages, &ema, *step).is_empty()).collect();
        assert_eq!(moving, [3, 6, 9]);
    }
}
