//! Effects over run trees written by the test, against differences worked out by hand.

use serde_json::json;

use super::*;
use crate::config::{Config, NoiseSchedule};
use crate::report::compare::{Query, compare};
use crate::report::fixture::Tree;
use crate::report::load::load;
use crate::report::metric::{DEFAULT_METRIC, Log};
use crate::rundir::State;

fn found(tree: &Tree) -> Effects {
    let loaded = load(&[tree.experiment().path().to_path_buf()], Log::Eval).unwrap();
    let comparison = compare(&loaded, &Query::of(DEFAULT_METRIC.parse().unwrap())).unwrap();
    effects(&loaded, &comparison)
}

fn done(tree: &Tree, variant: &str, seed: u64, score: f64, edit: impl FnOnce(&mut Config)) {
    tree.run(variant, seed).eval(&format!("200,ema-0.9,1,{score},0.2,64\n")).config(edit).done(200);
}

/// Dropout 0 or 0.1 × linear or cosine × 3 seeds; the effect of dropout differs between schedules.
fn grid() -> Tree {
    let tree = Tree::new();
    for seed in 0..3u64 {
        let luck = seed as f64;
        for (at, (dropout, schedule)) in [
            (0.1, NoiseSchedule::Linear),
            (0.1, NoiseSchedule::Cosine),
            (0.0, NoiseSchedule::Linear),
            (0.0, NoiseSchedule::Cosine),
        ]
        .into_iter()
        .enumerate()
        {
            let cosine = f64::from(schedule == NoiseSchedule::Cosine);
            let score = 2.0 + luck + dropout * (1.0 + 2.0 * cosine + 0.5 * luck) - 0.5 * cosine;
            done(&tree, &format!("v{at}-{at}"), seed, score, |config| {
                config.model.dropout = dropout;
                config.diffusion.noise_schedule = schedule;
            });
        }
    }
    tree
}

fn close(found: f64, expected: f64) -> bool {
    (found - expected).abs() < 1e-12
}

#[test]
fn cells_are_averaged_within_a_seed_and_seeds_alone_are_replicates() {
    let effects = found(&grid());
    let keys: Vec<&str> = effects.axes.iter().map(|axis| axis.keys[0].as_str()).collect();
    assert_eq!(keys, ["diffusion.noise_schedule", "model.dropout"]);
    let dropout = &effects.axes[1];
    // Nothing says what the base is, so the first variant's value is held against.
    assert_eq!((dropout.reference.clone(), dropout.reference_is_base), (vec![Some(json!(0.1))], false));
    let contrast = &dropout.contrasts[0];
    assert_eq!((contrast.cells, contrast.missing, contrast.value[0].clone()), (2, 0, Some(json!(0.0))));
    let difference = contrast.difference.unwrap();
    // Per seed −0.1·(2 + seed/2): −0.20, −0.25, −0.30.
    assert!(close(difference.mean, -0.25) && close(difference.std.unwrap(), 0.05), "{difference:?}");
    assert_eq!(difference.seeds, 3);
    let half = 4.302_652_729_911_275 * 0.05 / 3f64.sqrt();
    assert!((difference.ci95.unwrap().1 - (-0.25 + half)).abs() < 1e-9);
    assert!(difference.leaves_out_zero() && effects.contrasts == 2);
    // The surer of two contrasts is held to twice its p value, the other to its own.
    let p = |axis: usize| effects.axes[axis].contrasts[0].difference.unwrap();
    let (sure, other) = if p(0).p < p(1).p { (p(0), p(1)) } else { (p(1), p(0)) };
    assert!(close(sure.p_holm.unwrap(), (2.0 * sure.p.unwrap()).min(1.0)), "{sure:?}");
    assert_eq!(other.p_holm.unwrap(), other.p.unwrap().max(sure.p_holm.unwrap()));
}

#[test]
fn the_bases_value_is_the_reference_where_the_plan_tells_it() {
    let tree = grid();
    let variants: Vec<_> = (0..4)
        .map(|at| json!({"name": format!("v{at}-{at}"), "id": at.to_string(), "seeds": [0, 1, 2]}))
        .collect();
    let base = json!({"model.dropout": 0.0, "diffusion.noise_schedule": "sigmoid"});
    tree.plan_json(&json!({"format": 1, "variants": variants, "base": base}));
    let effects = found(&tree);
    let dropout = &effects.axes[1];
    assert_eq!((dropout.reference.clone(), dropout.reference_is_base), (vec![Some(json!(0.0))], true));
    assert!(close(dropout.contrasts[0].difference.unwrap().mean, 0.25));
    // No variant has the base's schedule: the first declared stands for it.
    let schedule = &effects.axes[0];
    assert_eq!(
        (schedule.reference.clone(), schedule.reference_is_base),
        (vec![Some(json!("linear"))], false)
    );
}

#[test]
fn a_run_without_a_value_is_missing_from_its_pair_and_counted() {
    let tree = grid();
    tree.run("v0-0", 2).status(State::Failed, 10, |_| {});
    let effects = found(&tree);
    let contrast = &effects.axes[1].contrasts[0];
    assert_eq!((contrast.cells, contrast.missing), (2, 1));
    // Seed 2 has the cosine cell alone: −0.1·(1 + 2 + 1).
    assert!(close(contrast.difference.unwrap().mean, -(0.20 + 0.25 + 0.40) / 3.0));
}

#[test]
fn keys_that_vary_together_are_one_axis() {
    let tree = Tree::new();
    for (at, (timesteps, rate)) in [(250, 1e-3), (1000, 1e-4)].into_iter().enumerate() {
        for seed in 0..2 {
            let edit = |config: &mut Config| {
                config.diffusion.timesteps = timesteps;
                config.training.learning_rate = rate;
            };
            done(&tree, &format!("v{at}-{at}"), seed, at as f64, edit);
        }
    }
    let effects = found(&tree);
    assert_eq!(effects.axes.len(), 1);
    assert_eq!(effects.axes[0].keys, ["diffusion.timesteps", "training.learning_rate"]);
    assert_eq!(effects.axes[0].contrasts[0].value, [Some(json!(1000)), Some(json!(0.0001))]);
}

#[test]
fn values_that_match_in_no_cell_have_no_difference() {
    let tree = Tree::new();
    for (at, (dropout, channels)) in [(0.0, 16), (0.1, 16), (0.2, 32), (0.2, 16)].into_iter().enumerate() {
        // The last one is planned and was never started: only the plan knows its settings.
        if at < 3 {
            done(&tree, &format!("v{at}-{at}"), 0, at as f64, |config| {
                config.model.dropout = dropout;
                config.model.base_channels = channels;
            });
        }
    }
    let effects = found(&tree);
    let dropout = effects.axes.iter().find(|axis| axis.keys == ["model.dropout"]).unwrap();
    let [one, two] = dropout.contrasts.as_slice() else { panic!("{dropout:?}") };
    assert_eq!((one.cells, one.difference.unwrap().ci95), (1, None));
    assert_eq!((two.cells, two.difference), (0, None));
}
