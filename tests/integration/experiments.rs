//! The files in `experiments/`: each plans cleanly with nothing but the program, and what their comments say of
//! cost holds.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::support::Workplace;
use crate::support::commands::{commands, is_known};

/// Variants and seeds of every file.
const EXPERIMENTS: [(&str, usize, usize); 11] = [
    ("attention", 3, 4),
    ("celeba64", 4, 2),
    ("channels", 4, 4),
    ("cifar10", 6, 3),
    ("few-images", 3, 3),
    ("imagenet256", 3, 1),
    ("mnist", 4, 2),
    ("quickstart", 4, 2),
    ("schedules", 4, 4),
    ("size", 4, 4),
    ("timesteps", 4, 4),
];

/// One axis each, for a laptop.
const TEACHING: [&str; 4] = ["attention", "channels", "schedules", "timesteps"];

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("experiments")
}

fn text(name: &str) -> String {
    fs::read_to_string(folder().join(format!("{name}.toml"))).expect("the file is there")
}

/// What `ablate plan` says of a file, in a folder where no data is.
fn plan(name: &str, more: &[&str]) -> String {
    let place = Workplace::new();
    let path = folder().join(format!("{name}.toml"));
    let ran = place.ablate(&[&["plan", path.to_str().unwrap()], more].concat());
    assert_eq!(ran.code, Some(0), "{name}:\n{}", ran.stderr);
    assert_eq!(ran.stderr, "", "{name}");
    assert_eq!(place.files(), [""; 0], "plan writes nothing");
    ran.stdout
}

fn variants(name: &str) -> Vec<Value> {
    let plan: Value = serde_json::from_str(&plan(name, &["--json"])).unwrap();
    assert!(["excluded", "invalid"].iter().all(|list| plan[list].as_array().unwrap().is_empty()), "{name}");
    plan["variants"].as_array().unwrap().clone()
}

/// Parameters and operations of each variant, by the value of the one axis, as JSON.
fn costs(name: &str) -> BTreeMap<String, (f64, f64)> {
    let cost = |variant: &Value| {
        let overrides = variant["overrides"].as_object().unwrap();
        assert_eq!(overrides.len(), 1, "{name} has one axis");
        let number = |key: &str| variant[key].as_f64().unwrap();
        let value = overrides.values().next().unwrap().to_string();
        (value, (number("parameters"), number("train_flops_per_image")))
    };
    variants(name).iter().map(cost).collect()
}

#[test]
fn every_file_in_experiments_plans_without_its_data() {
    let entries = fs::read_dir(folder()).expect("the folder is there");
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, EXPERIMENTS.map(|(name, ..)| format!("{name}.toml")));
    for (name, count, seeds) in EXPERIMENTS {
        let variants = variants(name);
        assert_eq!(variants.len(), count, "{name}");
        assert!(variants.iter().all(|variant| variant["seeds"].as_array().unwrap().len() == seeds), "{name}");
    }
}

#[test]
fn every_command_in_the_comments_exists_with_its_flags() {
    for (name, ..) in EXPERIMENTS {
        let shown = commands(&text(name));
        assert!(!shown.is_empty(), "{name} says how it is run");
        for words in shown {
            is_known(&words);
            for path in words.iter().filter(|word| word.starts_with("experiments/")) {
                assert!(folder().join("..").join(path).is_file(), "{name}: {path}");
            }
        }
    }
}

#[test]
fn teaching_sweeps_need_no_data_and_no_patience() {
    for name in TEACHING {
        let plain = plan(name, &[]);
        assert!(!plain.contains("note:"), "{name} teaches with settings that need a remark:\n{plain}");
        let settings: toml::Table = text(name).parse().unwrap();
        assert_eq!(settings["data"]["dataset"].as_str(), Some("shapes"), "{name}");
        let number = |key: &str| settings["training"][key].as_integer().unwrap() as f64;
        let operations: f64 = costs(name).values().map(|(_, operations)| operations).sum();
        let whole = 4.0 * operations * number("steps") * number("batch_size");
        // The quickstart has 16 TFLOP in three minutes on two cores.
        assert!(whole < 64e12, "{name}: {whole:e} operations");
    }
}

#[test]
fn variants_of_the_size_sweep_take_the_same_operations_but_for_the_one_that_trains_longer() {
    let whole = |variant: &Value| {
        let steps = variant["overrides"]["training.steps"].as_f64().unwrap();
        variant["train_flops_per_image"].as_f64().unwrap() * steps * 32.0
    };
    let operations: Vec<f64> = variants("size").iter().map(whole).collect();
    let [narrow, middle, wide, longer] = operations[..] else { panic!("four variants: {operations:?}") };
    assert!([narrow, middle].iter().all(|other| (other / wide - 1.0).abs() < 0.05), "{operations:?}");
    assert!(longer > 3.0 * wide, "{operations:?}");
}

#[test]
fn width_costs_parameters_everywhere_and_operations_where_the_image_is_large() {
    let costs = costs("channels");
    let (wide, deep, plain) = (costs["[1,4]"], costs["[1,2,4]"], costs["[1,2]"]);
    assert!(deep.0 > wide.0 && deep.1 < 0.6 * wide.1, "{costs:?}");
    assert!(deep.0 > 3.5 * plain.0 && deep.1 < 1.7 * plain.1, "{costs:?}");
}

#[test]
fn attention_costs_operations_where_the_image_is_large_and_few_parameters() {
    let costs = costs("attention");
    let (none, low, both) = (costs["[]"], costs["[8]"], costs["[16,8]"]);
    assert!(both.0 < 1.15 * none.0, "{costs:?}");
    assert!(both.1 - low.1 > 3.0 * (low.1 - none.1), "{costs:?}");
}

#[test]
fn neither_the_schedule_nor_the_length_of_the_chain_changes_the_cost_of_training() {
    for name in ["schedules", "timesteps"] {
        let costs: Vec<(f64, f64)> = costs(name).into_values().collect();
        assert!(costs.iter().all(|cost| *cost == costs[0]), "{name}: {costs:?}");
    }
}

#[test]
fn chains_of_the_timesteps_sweep_end_at_about_the_same_noise_unless_the_betas_are_left_alone() {
    let ends = |more: &[&str]| -> Vec<f64> {
        let verbose = plan("timesteps", &[&["--verbose"], more].concat());
        let ends = verbose.lines().filter_map(|line| line.trim().strip_prefix("alpha_bar"));
        ends.map(|line| line.split(" to ").nth(1).unwrap().trim().parse().unwrap()).collect()
    };
    let spread = |ends: &[f64]| {
        ends.iter().copied().fold(0.0, f64::max) / ends.iter().copied().fold(f64::INFINITY, f64::min)
    };
    let rescaled = ends(&[]);
    assert_eq!(rescaled.len(), 4);
    assert!(spread(&rescaled) < 6.0, "{rescaled:?}");
    let left_alone = ends(&["-s", "diffusion.rescale_betas=false"]);
    assert!(spread(&left_alone) > 1e10, "{left_alone:?}");
    let note = plan("timesteps", &["-s", "diffusion.rescale_betas=false"]);
    assert!(note.contains("denoise_score and denoise_bits will be"), "{note}");
}
