//! A chain of diffusers as `[diffusion]` and `[sampling]` describe it.
//!
//! In: the fields of `scheduler_config.json` and the class that reads them; an absent one means what that class takes
//! then (0.36.0). Out: keys of our configuration, or a problem for every field that has no counterpart here.

use serde_json::{Value, json};

use super::betas::recognise;
use super::class::{CLASSES, Class, OF_OTHERS};
use super::{CLASS, PREDICTIONS, SCHEDULES, SPACINGS, VARIANCES, word};
use crate::config::{NoiseSchedule, PredictionType, Problem, Sampler, TimestepSpacing, Variance};
use crate::interop::fields::{Fields, integer};

/// Why any other field is refused.
const UNKNOWN: &str =
    "no scheduler of diffusers 0.36.0 that was looked at has such a field, and what it changes is not known";
/// Steps of `DDPMPipeline` where nothing is said; a shorter chain is walked whole.
const ANCESTRAL_STEPS: u64 = 1000;
/// Steps of the other pipelines.
const STEPS: u64 = 50;

/// Keys and their values.
type Keys = Vec<(&'static str, toml::Value)>;

/// What a scheduler comes to: keys of `[diffusion]`, of `[sampling]`, and what is wrong.
pub(in crate::interop) type Found = (Keys, Keys, Vec<Problem>);

/// Takes every field and gives the keys it means, with what is wrong. `class` is the one that a pipeline's own file
/// names, which is the one it is read with.
pub(in crate::interop) fn import(mut fields: Fields, class: Option<&str>) -> Found {
    let Some(class) = find_class(&mut fields, class) else { return (vec![], vec![], fields.end_of_known()) };
    for (key, fine, reason) in class.fixed {
        fields.only(key, fine, reason);
    }
    fields.only("predict_epsilon", &["true"], "prediction_type says what the network predicts");
    let timesteps = fields.whole("num_train_timesteps", 1000);
    let diffusion = chain(&mut fields, class, timesteps);
    let sampling = walk(&mut fields, class, timesteps);
    for key in OF_OTHERS {
        fields.take(key);
    }
    (diffusion, sampling, fields.end(UNKNOWN))
}

fn find_class(fields: &mut Fields, class: Option<&str>) -> Option<&'static Class> {
    let written = fields.take("_class_name");
    let name = class.or(written.as_ref().and_then(Value::as_str)).unwrap_or(CLASS);
    let found = CLASSES.iter().find(|class| class.name == name);
    if found.is_none() {
        let known: Vec<&str> = CLASSES.iter().map(|class| class.name).collect();
        let problem = Problem::new(format!("_class_name = {}: no sampler here does the same", json!(name)));
        let help = format!(
            "in Python, give the pipeline another scheduler and save it again: pipeline.scheduler = \
             DDPMScheduler.from_config(pipeline.scheduler.config); these can be imported: {}",
            known.join(", ")
        );
        fields.problem(problem.with_help(help));
    }
    found
}

/// `[diffusion]`.
fn chain(fields: &mut Fields, class: &Class, timesteps: u64) -> Keys {
    let reason = "it is none of the noise schedules here";
    let shape = fields.choice("beta_schedule", NoiseSchedule::Linear, &SCHEDULES, reason);
    let ends = (fields.number("beta_start", class.betas.0), fields.number("beta_end", class.betas.1));
    let (shape, ends) = trained_betas(fields, timesteps, (shape, ends)).unwrap_or((shape, ends));
    let reason = "a network here predicts epsilon, sample or v_prediction";
    let prediction = fields.choice("prediction_type", PredictionType::Epsilon, &PREDICTIONS, reason);
    let ends_in_noise = class.rescales && fields.bool("rescale_betas_zero_snr", false);
    vec![
        ("diffusion.timesteps", integer(timesteps)),
        ("diffusion.noise_schedule", shape.name().into()),
        ("diffusion.beta_start", ends.0.into()),
        ("diffusion.beta_end", ends.1.into()),
        // The numbers are those of this very length.
        ("diffusion.rescale_betas", false.into()),
        ("diffusion.zero_terminal_snr", ends_in_noise.into()),
        ("diffusion.prediction_type", target(prediction).into()),
    ]
}

fn target(prediction: PredictionType) -> &'static str {
    match prediction {
        PredictionType::Epsilon => "epsilon",
        PredictionType::V => "v",
        PredictionType::X0 => "x0",
    }
}

type Betas = (NoiseSchedule, (f64, f64));

/// A list of β stands above every name; it must be one that a name of ours gives too.
fn trained_betas(fields: &mut Fields, timesteps: u64, said: Betas) -> Option<Betas> {
    let value = fields.take_some("trained_betas")?;
    let list: Option<Vec<f64>> = value.as_array().and_then(|list| list.iter().map(Value::as_f64).collect());
    let found = match list {
        None => Err("it is no list of numbers".to_owned()),
        Some(list) if list.len() as u64 != timesteps => {
            Err(format!("its length is not num_train_timesteps = {timesteps}"))
        }
        Some(list) => recognise(&list, said).ok_or_else(|| {
            "it is none of the schedules linear, scaled_linear, sigmoid and cosine".to_owned()
        }),
    };
    found.map_err(|reason| fields.refuse("trained_betas", &value, &reason)).ok()
}

/// `[sampling]`.
fn walk(fields: &mut Fields, class: &Class, timesteps: u64) -> Keys {
    let reason = "it is none of leading, linspace and trailing";
    let spacing = fields.choice("timestep_spacing", class.spacing, &SPACINGS, reason);
    let offset = fields.whole("steps_offset", 0);
    let mut keys: Keys = vec![
        ("sampling.sampler", class.sampler.name().into()),
        ("sampling.steps", integer(steps(class.sampler, timesteps, spacing, offset))),
        ("sampling.timestep_spacing", word(&SPACINGS, &spacing).into()),
        ("sampling.steps_offset", integer(offset)),
    ];
    if let Some(clips) = class.clip {
        let clips = fields.bool("clip_sample", clips);
        keys.push(("sampling.clip_sample", clips.into()));
        let range = fields.number("clip_sample_range", 1.0);
        // It has no effect otherwise.
        if clips {
            keys.push(("sampling.clip_sample_range", range.into()));
        }
    }
    match class.sampler {
        Sampler::Ddpm => {
            let reason = "the variance here is fixed_small or fixed_large";
            let variance = fields.choice("variance_type", Variance::FixedSmall, &VARIANCES, reason);
            keys.push(("sampling.variance", word::<Variance>(&VARIANCES, &variance).into()));
        }
        Sampler::Ddim => {
            keys.push(("sampling.set_alpha_to_one", fields.bool("set_alpha_to_one", true).into()));
        }
        Sampler::DpmSolverPp | Sampler::Euler | Sampler::Heun => {}
    }
    keys
}

/// As many as the pipeline takes, and not so many that one would lie beyond the chain.
fn steps(sampler: Sampler, timesteps: u64, spacing: TimestepSpacing, offset: u64) -> u64 {
    let solver = sampler == Sampler::DpmSolverPp && spacing != TimestepSpacing::Trailing;
    let most = if sampler == Sampler::Ddpm { ANCESTRAL_STEPS } else { STEPS };
    let fits = |n: &u64| {
        // DPM-Solver++ takes one timestep more than it visits.
        let first = if solver { n * (timesteps / (n + 1)) } else { (n - 1) * (timesteps / n) };
        let inside = spacing != TimestepSpacing::Leading || first.saturating_add(offset) < timesteps;
        inside && !(solver && *n == timesteps)
    };
    (1..=most.min(timesteps).max(1)).rev().find(fits).unwrap_or(1)
}
