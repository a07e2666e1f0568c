//! Tests of the scheduler's mapping: every field there and back, and each refusal.

use std::path::Path;

use serde_json::{Value, json};

use super::{export, import};
use crate::config::{
    Config, Diffusion, Given, NoiseSchedule, PredictionType, Sampler, Sampling, TimestepSpacing, Variance,
    defaults, imported,
};
use crate::diffusion::Schedule;
use crate::interop::fields::Fields;

fn read(value: Value, class: Option<&str>) -> Result<Config, Vec<String>> {
    let Value::Object(object) = value else { panic!("an object") };
    let (diffusion, sampling, problems) = import(Fields::new(Path::new("s.json"), object), class);
    if !problems.is_empty() {
        let text = problems.iter().map(ToString::to_string);
        let words = |text: String| {
            text.trim_start_matches("error: ").trim_end_matches("\n  set in s.json").to_owned()
        };
        return Err(text.map(words).collect());
    }
    let given = |(key, value)| Given { key, value, file: "s.json".into(), is_default: false };
    let mut given: Vec<Given> = diffusion.into_iter().chain(sampling).map(given).collect();
    given.push(Given { key: "name", value: "x".into(), file: "x".into(), is_default: false });
    imported(&given, &[], vec![]).map(|(config, _)| config).map_err(|problems| vec![problems.to_string()])
}

/// Fields whose values decide about others.
const FIELDS: [&str; 12] = [
    "num_train_timesteps",
    "beta_schedule",
    "beta_start",
    "beta_end",
    "trained_betas",
    "prediction_type",
    "timestep_spacing",
    "steps_offset",
    "clip_sample_range",
    "rescale_betas_zero_snr",
    "variance_type",
    "_class_name",
];

/// Values that some of them take and others do not.
const VALUES: [&str; 20] = [
    "null",
    "true",
    "0",
    "1",
    "2",
    "-1",
    "9223372036854775807",
    "18446744073709551615",
    "1e308",
    "0.999",
    "[]",
    "[0.1, 0.2]",
    "\"sigmoid\"",
    "\"squaredcos_cap_v2\"",
    "\"v_prediction\"",
    "\"trailing\"",
    "\"linspace\"",
    "\"fixed_large\"",
    "\"DPMSolverMultistepScheduler\"",
    "\"HeunDiscreteScheduler\"",
];

fn of_class(class: &str, more: Value) -> Result<Config, Vec<String>> {
    let mut value = more;
    value["_class_name"] = class.into();
    read(value, None)
}

fn refusal(class: &str, key: &str, value: Value) -> String {
    let mut fields = json!({});
    fields[key] = value;
    let found = of_class(class, fields).unwrap_err();
    assert_eq!(found.len(), 1, "{found:?}");
    found[0].clone()
}

#[test]
fn a_chain_comes_back_with_the_same_numbers() {
    type Change = fn(&mut Diffusion, &mut Sampling);
    let changes: [Change; 14] = [
        |_, _| {},
        |d, _| d.noise_schedule = NoiseSchedule::ScaledLinear,
        |d, _| d.noise_schedule = NoiseSchedule::Cosine,
        |d, _| d.noise_schedule = NoiseSchedule::Sigmoid,
        |d, _| (d.timesteps, d.rescale_betas) = (100, true),
        |d, _| (d.timesteps, d.rescale_betas) = (100, false),
        |d, _| (d.timesteps, d.rescale_betas, d.noise_schedule) = (250, true, NoiseSchedule::Sigmoid),
        |d, _| (d.beta_start, d.beta_end) = (1.0 / 3e3, 0.0123),
        |d, _| d.prediction_type = PredictionType::X0,
        |d, s| {
            (d.prediction_type, d.zero_terminal_snr) = (PredictionType::V, true);
            s.timestep_spacing = TimestepSpacing::Trailing;
        },
        |_, s| s.timestep_spacing = TimestepSpacing::Linspace,
        |_, s| (s.steps_offset, s.steps) = (1, 50),
        |_, s| s.clip_sample = false,
        |_, s| (s.clip_sample_range, s.variance) = (3.0, Variance::FixedLarge),
    ];
    for (index, change) in changes.into_iter().enumerate() {
        let Config { mut diffusion, mut sampling, .. } = defaults();
        sampling.sampler = Sampler::Ddpm;
        change(&mut diffusion, &mut sampling);
        let exported = export(&diffusion, &sampling);
        let found = read(exported.clone(), Some("DDPMScheduler")).unwrap();
        assert_eq!(export(&found.diffusion, &found.sampling), exported, "{index}");
        assert_eq!(Schedule::new(&found.diffusion).unwrap(), Schedule::new(&diffusion).unwrap(), "{index}");
        assert!(!found.diffusion.rescale_betas);
        let kept = Sampling { steps: sampling.steps, ..found.sampling.clone() };
        assert_eq!(kept, sampling, "{index}");
    }
}

#[test]
fn the_numbers_that_are_written_are_the_rescaled_ones() {
    let Config { mut diffusion, sampling, .. } = defaults();
    (diffusion.timesteps, diffusion.rescale_betas) = (100, true);
    let exported = export(&diffusion, &sampling);
    assert_eq!((&exported["beta_start"], &exported["beta_end"]), (&json!(0.001), &json!(0.2)));
    assert_eq!(exported["trained_betas"], Value::Null);
    diffusion.noise_schedule = NoiseSchedule::Sigmoid;
    let exported = export(&diffusion, &sampling);
    let list: Vec<f64> = serde_json::from_value(exported["trained_betas"].clone()).unwrap();
    assert_eq!(list, Schedule::new(&diffusion).unwrap().betas);
}

#[test]
fn an_absent_field_means_what_the_class_takes_then() {
    let ddpm = of_class("DDPMScheduler", json!({})).unwrap();
    assert_eq!((ddpm.sampling.sampler, ddpm.sampling.steps), (Sampler::Ddpm, 1000));
    assert_eq!((ddpm.diffusion.beta_start, ddpm.diffusion.beta_end), (1e-4, 0.02));
    assert_eq!(ddpm.sampling.timestep_spacing, TimestepSpacing::Leading);
    assert!(ddpm.sampling.clip_sample && !ddpm.diffusion.zero_terminal_snr);
    let ddim = of_class("DDIMScheduler", json!({"set_alpha_to_one": false, "variance_type": "fixed_large"}))
        .unwrap();
    assert_eq!((ddim.sampling.sampler, ddim.sampling.steps), (Sampler::Ddim, 50));
    assert_eq!((ddim.sampling.set_alpha_to_one, ddim.sampling.variance), (false, Variance::FixedSmall));
    let solver = of_class("DPMSolverMultistepScheduler", json!({"lambda_min_clipped": "-Infinity"})).unwrap();
    assert_eq!(solver.sampling.sampler, Sampler::DpmSolverPp);
    assert_eq!(solver.sampling.timestep_spacing, TimestepSpacing::Linspace);
    let euler = of_class("EulerDiscreteScheduler", json!({"use_karras_sigmas": null})).unwrap();
    assert_eq!(euler.sampling.sampler, Sampler::Euler);
    let heun = of_class("HeunDiscreteScheduler", json!({})).unwrap();
    assert_eq!((heun.diffusion.beta_start, heun.diffusion.beta_end), (0.000_85, 0.012));
    assert!(!heun.sampling.clip_sample);
}

#[test]
fn the_pipeline_says_which_scheduler_it_is_and_other_schedulers_fields_are_not_looked_at() {
    // As diffusers saves a DDIM scheduler that was made from the configuration of another.
    let converted = json!({
        "_class_name": "PNDMScheduler", "skip_prk_steps": true, "solver_order": 3, "use_karras_sigmas": true,
        "variance_type": "fixed_small", "lower_order_final": false, "timestep_values": null, "tensor_format": "pt"
    });
    assert_eq!(read(converted, Some("DDIMScheduler")).unwrap().sampling.sampler, Sampler::Ddim);
}

#[test]
fn steps_are_the_pipelines_and_stay_inside_the_chain() {
    let steps = |class: &str, more: Value| of_class(class, more).unwrap().sampling.steps;
    assert_eq!(steps("DDPMScheduler", json!({"num_train_timesteps": 400})), 400);
    assert_eq!(steps("DDPMScheduler", json!({"num_train_timesteps": 4000})), 1000);
    assert_eq!(steps("DDPMScheduler", json!({"steps_offset": 1})), 999);
    assert_eq!(steps("DDIMScheduler", json!({"steps_offset": 1})), 50);
    assert_eq!(steps("DDIMScheduler", json!({"num_train_timesteps": 20, "beta_end": 0.5})), 20);
    let solver = json!({"num_train_timesteps": 20, "beta_end": 0.5});
    assert_eq!(steps("DPMSolverMultistepScheduler", solver), 19);
}

#[test]
fn what_has_no_counterpart_here_is_refused_by_name_and_value() {
    for (class, key, value, reason) in [
        ("DDPMScheduler", "beta_schedule", json!("exp"), "it is none of the noise schedules here"),
        (
            "DDPMScheduler",
            "variance_type",
            json!("learned_range"),
            "the variance here is fixed_small or fixed_large",
        ),
        // Its logarithm is used as the variance there.
        (
            "DDPMScheduler",
            "variance_type",
            json!("fixed_large_log"),
            "the variance here is fixed_small or fixed_large",
        ),
        (
            "DDPMScheduler",
            "prediction_type",
            json!("flow"),
            "a network here predicts epsilon, sample or v_prediction",
        ),
        ("DDPMScheduler", "predict_epsilon", json!(false), "prediction_type says what the network predicts"),
        (
            "DDPMScheduler",
            "thresholding",
            json!(true),
            "x0 is clipped at fixed values, not at those of each image",
        ),
        ("DDPMScheduler", "timestep_spacing", json!("log"), "it is none of leading, linspace and trailing"),
        ("DDPMScheduler", "clip_sample", json!("yes"), "it is neither true nor false"),
        ("DDPMScheduler", "num_train_timesteps", json!(-5), "it is no whole number"),
        ("DDPMScheduler", "beta_end", json!("NaN"), "it is no number"),
        ("DDIMScheduler", "trained_betas", json!([0.1, 0.2]), "its length is not num_train_timesteps = 1000"),
        ("DDIMScheduler", "trained_betas", json!("x"), "it is no list of numbers"),
        ("DPMSolverMultistepScheduler", "solver_order", json!(3), "the solver is of second order"),
        (
            "DPMSolverMultistepScheduler",
            "algorithm_type",
            json!("sde-dpmsolver++"),
            "the solver is DPM-Solver++",
        ),
        ("DPMSolverMultistepScheduler", "lambda_min_clipped", json!(-5.1), "no noise level is left out"),
        ("EulerDiscreteScheduler", "use_karras_sigmas", json!(true), "noise levels are those of the chain"),
        ("HeunDiscreteScheduler", "use_beta_sigmas", json!(true), "noise levels are those of the chain"),
    ] {
        assert_eq!(refusal(class, key, value.clone()), format!("{key} = {value}: {reason}"));
    }
    let unknown = refusal("DDPMScheduler", "twist", json!(1));
    assert!(unknown.starts_with("twist = 1: no scheduler of diffusers 0.36.0"), "{unknown}");
    let class = of_class("PNDMScheduler", json!({"anything": 1})).unwrap_err();
    assert!(
        class[0].starts_with("_class_name = \"PNDMScheduler\": no sampler here does the same"),
        "{class:?}"
    );
    assert!(class[0].contains("these can be imported: DDPMScheduler, DDIMScheduler, DPMSolver"), "{class:?}");
}

#[test]
fn a_list_of_betas_is_taken_where_it_is_a_schedule_of_ours() {
    let Config { mut diffusion, .. } = defaults();
    diffusion.noise_schedule = NoiseSchedule::Sigmoid;
    let list = Schedule::new(&diffusion).unwrap().betas;
    // Without the name and the ends beside it.
    let found = of_class("DDIMScheduler", json!({"trained_betas": list, "beta_end": 0.5})).unwrap();
    assert_eq!(found.diffusion.noise_schedule, NoiseSchedule::Sigmoid);
    assert!((found.diffusion.beta_end - 0.02).abs() < 1e-9);
    let mut other = Schedule::new(&diffusion).unwrap().betas;
    other[500] *= 1.01;
    let text = refusal("DDPMScheduler", "trained_betas", json!(other));
    assert!(text.contains("… 1000 values]: it is none of the schedules"), "{text}");
}

#[test]
fn a_rule_that_the_chain_breaks_names_the_file() {
    let found =
        of_class("DDPMScheduler", json!({"rescale_betas_zero_snr": true, "timestep_spacing": "trailing"}));
    let text = found.unwrap_err().remove(0);
    assert!(
        text.starts_with("error: diffusion.zero_terminal_snr = true with diffusion.prediction_type"),
        "{text}"
    );
    assert!(text.contains("set in s.json"), "{text}");
}

proptest::proptest! {
    #[test]
    fn no_file_makes_a_panic(picks in proptest::collection::vec((0..FIELDS.len(), 0..VALUES.len()), 0..12)) {
        let values: Vec<Value> = VALUES.iter().map(|text| serde_json::from_str(text).unwrap()).collect();
        let mut scheduler = json!({});
        for (field, value) in picks {
            scheduler[FIELDS[field]] = values[value].clone();
        }
        // Refused or made; never more.
        if let Ok(config) = read(scheduler, None) {
            let _ = Schedule::new(&config.diffusion);
        }
    }
}
