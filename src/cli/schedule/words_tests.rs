//! Tests of what is said of schedules.

use super::*;
use crate::config::{Request, diffusion_alone};

fn shown(settings: &[&str]) -> Shown {
    let set = settings.iter().map(|setting| format!("diffusion.{setting}")).collect();
    let diffusion = diffusion_alone(&Request { set, ..Request::default() }).unwrap();
    Shown { schedule: Schedule::new(&diffusion).unwrap(), diffusion }
}

fn said(settings: &[&str]) -> String {
    verdict(&shown(settings))
}

#[test]
fn a_verdict_says_what_the_end_of_the_chain_means_and_what_mends_it() {
    assert_eq!(
        said(&[]),
        "ends in practically pure noise, which is what sampling starts from: 0.64 % of the signal's standard \
         deviation is left."
    );
    assert_eq!(
        said(&["timesteps=100", "rescale_betas=false"]),
        "leaves 60 % of the signal's standard deviation at the last step. Sampling starts from pure noise, which \
         this network never sees in training, so its images will be poor whatever else is right. rescale_betas = \
         true leaves 0.45 %; zero_terminal_snr = true with prediction_type \"v\" leaves none. It does not cover \
         log-SNR 6 to -6, so denoise_score and denoise_bits will be empty."
    );
    assert_eq!(
        said(&["noise_schedule=scaled_linear"]),
        "leaves 2.71 % of the signal's standard deviation at the last step, and sampling starts from noise without \
         it: very dark and very bright images come out nearer to grey. A larger beta_end leaves less; \
         zero_terminal_snr = true with prediction_type \"v\" leaves none."
    );
    assert!(
        said(&["zero_terminal_snr=true"])
            .starts_with("ends in noise alone, which is what sampling starts from.")
    );
    assert!(said(&["noise_schedule=cosine", "timesteps=2"]).contains("More timesteps leave less"));
}

#[test]
fn a_remedy_keeps_what_it_promises() {
    let before = shown(&["timesteps=250", "rescale_betas=false"]);
    let after = shown(&["timesteps=250", "rescale_betas=true"]);
    assert!(remedy(&before).contains(&format!("leaves {};", percent(after.last_alpha_bar().sqrt()))));
    assert!(said(&["timesteps=250", "rescale_betas=true"]).starts_with("ends in practically pure noise"));
}

#[test]
fn labels_tell_schedules_apart_and_say_no_more() {
    let all = [
        shown(&[]),
        shown(&["timesteps=500"]),
        shown(&["timesteps=500", "rescale_betas=false"]),
        shown(&["noise_schedule=cosine", "timesteps=500"]),
        shown(&["noise_schedule=cosine", "timesteps=500", "zero_terminal_snr=true"]),
        shown(&["beta_end=0.01"]),
    ];
    let labels: Vec<String> = all.iter().map(|one| label(one, &all).join(", ")).collect();
    assert_eq!(
        labels,
        [
            "linear, T = 1000, beta 1e-4 to 0.02",
            "linear, T = 500, beta 1e-4 to 0.02, rescaled",
            "linear, T = 500, beta 1e-4 to 0.02, not rescaled",
            "cosine, T = 500",
            "cosine, T = 500, zero SNR",
            "linear, T = 1000, beta 1e-4 to 0.01",
        ]
    );
    let alike = [shown(&["timesteps=500"]), shown(&["timesteps=250"]), shown(&["noise_schedule=cosine"])];
    let labels: Vec<String> = alike.iter().map(|one| label(one, &alike).join(", ")).collect();
    assert_eq!(labels, ["linear, T = 500", "linear, T = 250", "cosine, T = 1000"]);
    let one = [shown(&["timesteps=500"])];
    assert_eq!(label(&one[0], &one).join(", "), "linear, T = 500, beta 1e-4 to 0.02, rescaled");
}

#[test]
fn figures_keep_four_digits_and_hide_nothing_behind_zeros() {
    let cases = [
        (0.9999, "0.9999"),
        (0.99994, "0.9999"),
        (4.0358e-5, "4.036e-5"),
        (0.0200, "0.02000"),
        (0.001, "0.001000"),
        (9999.0, "9999"),
        (123_456.0, "123456"),
        (0.0, "0"),
        (1.0, "1.000"),
        (2.65e-18, "2.650e-18"),
    ];
    for (value, text) in cases {
        assert_eq!(figure(value), text);
    }
    let cases = [(0.0, "0 %"), (0.6, "60 %"), (0.006_353, "0.64 %"), (4.9e-5, "0.005 %"), (1.6e-9, "2e-7 %")];
    for (share, text) in cases {
        assert_eq!(percent(share), text);
    }
}
