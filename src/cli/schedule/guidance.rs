//! What a shape of noise schedule is good for, in words and in figures of the schedules that are shown.
//!
//! In: schedules. Out: a paragraph on shapes in general, then one for each shape among them. Much of what is usually
//! said is about cost, which a schedule has none of, or calls gentle schedules good for large images, which need more
//! noise than small ones.

use super::words::{Shown, percent};
use crate::config::NoiseSchedule;
use crate::diffusion::{Schedule, curve};

/// Log-SNR between which image and noise are of one size: √ᾱ from 0.94 to 0.35.
const MIDDLE: (f64, f64) = (-2.0, 2.0);

const IN_GENERAL: &str = "What the shape decides: which noise levels training sees how often, since timesteps are drawn \
                          evenly. It has no cost: a schedule is a table of T numbers, made once.";

/// Paragraphs, the general one first.
pub(super) fn guidance(shown: &[Shown]) -> Vec<String> {
    let mut told: Vec<NoiseSchedule> = Vec::new();
    let mut paragraphs = vec![IN_GENERAL.to_owned()];
    for one in shown {
        let shape = one.diffusion.noise_schedule;
        if !told.contains(&shape) {
            told.push(shape);
            let name = format!("{} at T = {}", shape.name(), one.diffusion.timesteps);
            paragraphs.push(format!("{name}: {} {}", figures(&one.schedule), of_shape(shape)));
        }
    }
    paragraphs
}

/// Where the timesteps of a schedule lie.
fn figures(schedule: &Schedule) -> String {
    let share = |within: &dyn Fn(f64) -> bool| {
        let count = (0..schedule.len()).filter(|t| within(schedule.log_snr(*t))).count();
        percent(count as f64 / schedule.len() as f64)
    };
    format!(
        "noise outweighs the image in {} of the timesteps; {} lie between log-SNR {} and {}, {} below {}.",
        share(&|log_snr| log_snr < 0.0),
        share(&|log_snr| (MIDDLE.0..=MIDDLE.1).contains(&log_snr)),
        MIDDLE.0,
        MIDDLE.1,
        share(&|log_snr| log_snr < curve::WINDOW.0),
        curve::WINDOW.0,
    )
}

fn of_shape(shape: NoiseSchedule) -> &'static str {
    match shape {
        NoiseSchedule::Linear => {
            "The first that was used (Ho et al. 2020), and what most published networks were trained with. At 1000 \
             steps a quarter of the chain is all but pure noise, from which small images have little to learn."
        }
        NoiseSchedule::Cosine => {
            "Made for 32 and 64 pixels (Nichol and Dhariwal 2021): it spends the steps that linear spends on noise at \
             levels where something is decided. Its betas end at 0.999. Larger images would need more noise \
             in its middle."
        }
        NoiseSchedule::ScaledLinear => {
            "Gentler than linear, and ends with more of the image left. It was made for the maps of an autoencoder \
             (Rombach et al. 2022). It is often named for large images, which need the opposite: neighbouring pixels \
             repeat each other, so that twice the side shows as much at a log-SNR lower by 2 ln 2 = 1.39 \
             (Hoogeboom et al. 2023). For them choose a schedule with more noise, or a larger beta_end."
        }
        NoiseSchedule::Sigmoid => {
            "Begins and ends flat: many steps at hardly any noise and many at hardly any image, few in between."
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Request, diffusion_alone};

    fn shown(settings: &[&str]) -> Shown {
        let set = settings.iter().map(|setting| format!("diffusion.{setting}")).collect();
        let diffusion = diffusion_alone(&Request { set, ..Request::default() }).unwrap();
        Shown { schedule: Schedule::new(&diffusion).unwrap(), diffusion }
    }

    #[test]
    fn each_shape_is_told_once_with_its_own_figures() {
        let all = [
            shown(&["noise_schedule=cosine"]),
            shown(&[]),
            shown(&["noise_schedule=cosine", "timesteps=100"]),
            shown(&["noise_schedule=sqrt"]),
            shown(&["noise_schedule=sigmoid"]),
        ];
        let told = guidance(&all);
        let starts = [
            "What the shape decides: ",
            "cosine at T = 1000: noise outweighs the image in 50 % of the timesteps; 56 % lie between log-SNR -2 and 2, 3.20 % \
             below -6. Made for 32 and 64 pixels",
            "linear at T = 1000: noise outweighs the image in 74 % of the timesteps; 35 % lie between log-SNR -2 and 2, 23 % \
             below -6. The first",
            "scaled_linear at T = 1000: noise outweighs the image in 58 % of the timesteps; 44 % lie between log-SNR -2 and 2, \
             6.40 % below -6. Gentler",
            "sigmoid at T = 1000: noise outweighs the image in 56 % of the timesteps; 30 % lie between log-SNR -2 and 2, 21 % \
             below -6. Begins",
        ];
        assert_eq!(told.len(), starts.len());
        for (paragraph, start) in told.iter().zip(starts) {
            assert!(paragraph.starts_with(start), "{paragraph}");
        }
    }

    #[test]
    fn what_is_said_of_shapes_holds_for_their_numbers() {
        let share = |settings: &[&str], within: &dyn Fn(f64) -> bool| {
            let schedule = shown(settings).schedule;
            (0..schedule.len()).filter(|t| within(schedule.log_snr(*t))).count() as f64
                / schedule.len() as f64
        };
        let middle = |log_snr: f64| (MIDDLE.0..=MIDDLE.1).contains(&log_snr);
        let noise = |log_snr: f64| log_snr < curve::WINDOW.0;
        let (linear, cosine): ([&str; 0], _) = ([], ["noise_schedule=cosine"]);
        assert!((0.2..0.3).contains(&share(&linear, &noise)), "a quarter of linear is all but noise");
        assert!(share(&cosine, &middle) > 1.5 * share(&linear, &middle));
        let gentle = ["noise_schedule=scaled_linear"];
        assert!(shown(&gentle).last_alpha_bar() > 10.0 * shown(&linear).last_alpha_bar());
        let (gentle, hard) = (shown(&gentle).schedule, shown(&linear).schedule);
        assert!((1..999).all(|t| gentle.alpha_bars[t] > hard.alpha_bars[t]), "gentler at every step");
        let sigmoid = ["noise_schedule=sigmoid"];
        assert!(share(&sigmoid, &middle) < share(&linear, &middle));
        let last = shown(&cosine).schedule.betas[999];
        assert_eq!(last, 0.999);
    }
}
