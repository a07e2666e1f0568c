//! Tests of the schedules: closed forms, diffusers' numbers, both ends, and what is refused.

use super::*;
use crate::config::defaults;

const SHAPES: [NoiseSchedule; 4] =
    [NoiseSchedule::Linear, NoiseSchedule::Cosine, NoiseSchedule::ScaledLinear, NoiseSchedule::Sigmoid];

fn diffusion(noise_schedule: NoiseSchedule, timesteps: usize, rescale_betas: bool) -> Diffusion {
    Diffusion { timesteps, noise_schedule, rescale_betas, ..defaults().diffusion }
}

fn terminal(timesteps: usize, rescale: bool) -> f64 {
    let schedule = Schedule::new(&diffusion(NoiseSchedule::Linear, timesteps, rescale)).unwrap();
    *schedule.alpha_bars.last().unwrap()
}

/// ᾱ_T of `linear` as it is, and with the rescaling of β by 1000/T.
const TERMINAL: [(usize, f64, f64); 6] = [
    (100, 3.6356e-1, 2.0390e-5),
    (250, 7.9703e-2, 3.2644e-5),
    (500, 6.3527e-3, 3.7661e-5),
    (1000, 4.0358e-5, 4.0358e-5),
    (2000, 1.6288e-9, 4.1756e-5),
    (4000, 2.6532e-18, 4.2467e-5),
];

#[test]
fn rescaling_keeps_the_terminal_noise_of_any_chain() {
    println!("ᾱ_T of linear, beta 1e-4 to 0.02\n    T       as it is       rescaled");
    for (timesteps, plain, rescaled) in TERMINAL {
        let found = [terminal(timesteps, false), terminal(timesteps, true)];
        println!("{timesteps:5} {:14.4e} {:14.4e}", found[0], found[1]);
        for (found, wanted) in found.into_iter().zip([plain, rescaled]) {
            assert!((found / wanted - 1.0).abs() < 1e-4, "T = {timesteps}: {found:e}, not {wanted:e}");
        }
        // Within a factor of two of the reference chain.
        assert!((0.5..=2.0).contains(&(found[1] / 4.0358e-5)), "T = {timesteps}: {:e}", found[1]);
    }
    for (timesteps, wanted) in [(50, 7.7e-6), (25, 2.4e-7)] {
        assert!((terminal(timesteps, true) / wanted - 1.0).abs() < 0.02);
    }
}

#[test]
fn linear_starts_and_ends_at_the_named_betas() {
    let schedule = Schedule::new(&diffusion(NoiseSchedule::Linear, 1000, false)).unwrap();
    assert_eq!(schedule.betas[0], 1e-4);
    assert!((schedule.betas[999] - 0.02).abs() < 1e-15);
}

#[test]
fn cosine_follows_its_closed_form_until_the_clamp() {
    let schedule = Schedule::new(&diffusion(NoiseSchedule::Cosine, 1000, false)).unwrap();
    let f = |u: f64| ((u + 0.008) / 1.008 * std::f64::consts::FRAC_PI_2).cos().powi(2);
    for t in [0, 1, 499, 900, 990] {
        let closed = f((t + 1) as f64 / 1000.0) / f(0.0);
        assert!((schedule.alpha_bars[t] / closed - 1.0).abs() < 1e-9, "t = {t}");
    }
    assert_eq!(schedule.betas[999], 0.999);
    assert!(schedule.betas[0] < 1e-4, "no clamp from below");
}

#[test]
fn scaled_linear_has_evenly_spaced_roots() {
    let schedule = Schedule::new(&diffusion(NoiseSchedule::ScaledLinear, 1000, false)).unwrap();
    for (t, beta) in schedule.betas.iter().enumerate() {
        let root = 0.01 + (0.02_f64.sqrt() - 0.01) * t as f64 / 999.0;
        assert!((beta - root * root).abs() < 1e-16, "t = {t}");
    }
}

#[test]
fn sigmoid_is_a_logistic_curve_between_its_ends() {
    let schedule = Schedule::new(&diffusion(NoiseSchedule::Sigmoid, 1001, false)).unwrap();
    let middle = (1e-4 + 0.02) / 2.0;
    assert!((schedule.betas[500] - middle).abs() < 1e-15);
    for t in 0..=500 {
        // σ(−x) = 1 − σ(x).
        let mirrored = schedule.betas[t] + schedule.betas[1000 - t];
        assert!((mirrored - 2.0 * middle).abs() < 1e-15, "t = {t}");
        let logit = ((schedule.betas[t] - 1e-4) / (0.02 - schedule.betas[t])).ln();
        assert!((logit - (-6.0 + 12.0 * t as f64 / 1000.0)).abs() < 1e-9, "t = {t}");
    }
}

#[test]
fn alpha_bar_is_the_product_of_what_each_step_leaves() {
    for shape in SHAPES {
        let schedule = Schedule::new(&diffusion(shape, 1000, false)).unwrap();
        let logs = |t: usize| -> f64 { schedule.betas[..=t].iter().map(|beta| (-beta).ln_1p()).sum() };
        for t in [0, 17, 500, 999] {
            assert!((schedule.alpha_bars[t] / logs(t).exp() - 1.0).abs() < 1e-11, "{shape:?} at {t}");
        }
    }
}

/// Lines of `tests/data/diffusers/schedules.csv`: shape, T, zero terminal SNR, t, β, ᾱ.
fn golden() -> impl Iterator<Item = (NoiseSchedule, usize, bool, usize, f64, f64)> {
    let text = include_str!("../../tests/data/diffusers/schedules.csv");
    text.lines().skip(1).map(|line| {
        let fields: Vec<&str> = line.split(',').collect();
        let shape = serde_json::from_value(fields[0].into()).unwrap();
        let [timesteps, t] = [fields[1], fields[3]].map(|field| field.parse().unwrap());
        let [beta, alpha_bar] = [fields[4], fields[5]].map(|field| field.parse().unwrap());
        (shape, timesteps, fields[2] == "true", t, beta, alpha_bar)
    })
}

#[test]
fn betas_are_those_of_diffusers_to_a_millionth() {
    let mut worst = [0.0_f64; 2];
    let mut count = 0;
    for (shape, timesteps, zero_terminal_snr, t, beta, alpha_bar) in golden() {
        let settings = Diffusion { zero_terminal_snr, ..diffusion(shape, timesteps, false) };
        let schedule = Schedule::new(&settings).unwrap();
        let errors = [(schedule.betas[t] - beta).abs(), (schedule.alpha_bars[t] - alpha_bar).abs()];
        assert!(
            errors[0] < 1e-6 && errors[1] < 2e-6,
            "{shape:?} {timesteps} {zero_terminal_snr} {t}: {errors:?}"
        );
        worst = [worst[0].max(errors[0]), worst[1].max(errors[1])];
        count += 1;
    }
    println!("{count} steps; largest difference {:.1e} in β, {:.1e} in ᾱ", worst[0], worst[1]);
    assert_eq!(count, 4 * 4 * 2 * 8);
}

#[test]
fn zero_terminal_snr_keeps_the_first_step_and_empties_the_last() {
    for shape in SHAPES {
        for timesteps in [2, 50, 1000] {
            let plain = Schedule::new(&diffusion(shape, timesteps, timesteps != 2)).map_err(drop);
            let Ok(plain) = plain else { continue };
            let settings =
                Diffusion { zero_terminal_snr: true, ..diffusion(shape, timesteps, timesteps != 2) };
            let moved = Schedule::new(&settings).unwrap();
            assert!((moved.alpha_bars[0] / plain.alpha_bars[0] - 1.0).abs() < 1e-14);
            assert_eq!((moved.alpha_bars[timesteps - 1], moved.betas[timesteps - 1]), (0.0, 1.0));
            assert_eq!((moved.snr(timesteps - 1), moved.log_snr(timesteps - 1)), (0.0, f64::NEG_INFINITY));
            assert!(moved.alpha_bars.windows(2).all(|pair| pair[0] > pair[1]));
            assert!(moved.betas.iter().all(|beta| *beta > 0.0 && *beta <= 1.0));
        }
    }
}

#[test]
fn a_beta_of_one_is_refused_with_the_step() {
    let error = Schedule::new(&diffusion(NoiseSchedule::Linear, 20, true)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "diffusion: beta reaches 1 at t = 19 of 20, and must stay below 1; \
         use more timesteps, a smaller beta_end, or rescale_betas = false"
    );
    assert!(Schedule::new(&diffusion(NoiseSchedule::Linear, 21, true)).is_ok());
    let past = Diffusion { beta_end: 1.0 - 1e-9, ..diffusion(NoiseSchedule::Linear, 10, true) };
    assert!(matches!(Schedule::new(&past), Err(ScheduleError::Beta { t: 1, .. })));
}

#[test]
fn a_chain_that_floats_cannot_hold_is_refused_with_the_step() {
    let error = Schedule::new(&diffusion(NoiseSchedule::Linear, 50_000, false)).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("of 50000, and networks of 32-bit floats need"), "{text}");
    assert!(text.ends_with("use fewer timesteps, a smaller beta_end, or rescale_betas = true"), "{text}");
    assert!(Schedule::new(&diffusion(NoiseSchedule::Linear, 50_000, true)).is_ok());
    let still = Diffusion { beta_start: 1e-16, ..diffusion(NoiseSchedule::Linear, 1000, false) };
    let text = Schedule::new(&still).unwrap_err().to_string();
    assert!(text.contains("at t = 0 of 1000") && text.contains("a larger beta_start"), "{text}");
}

#[test]
fn log_snr_falls_with_t() {
    for shape in SHAPES {
        let schedule = Schedule::new(&diffusion(shape, 300, true)).unwrap();
        assert!((1..300).all(|t| schedule.log_snr(t) < schedule.log_snr(t - 1)));
    }
}
