//! `ablate recommend`: every budget of the guide at every image size, what is sensible, and what is refused.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::support::Workplace;

/// Gigabytes of the source material's five budgets.
const BUDGETS: [u32; 5] = [4, 8, 16, 24, 40];
/// Its six image sizes, with the channels of an image.
const SIZES: [(usize, usize); 6] = [(28, 1), (32, 3), (64, 3), (128, 3), (256, 3), (512, 3)];
/// How far a network may be from the committed table: the model of memory is measured anew now and then.
const TOLERANCE: f64 = 0.25;

fn recommend(place: &Workplace, gigabytes: u32, (size, channels): (usize, usize), more: &[&str]) -> Value {
    let (gigabytes, size, channels) = (gigabytes.to_string(), size.to_string(), channels.to_string());
    let words = ["recommend", "--memory", &gigabytes, "--image-size", &size, "--channels", &channels];
    place.ablate(&[&words[..], &["--format", "json"], more].concat()).exits(0).json()
}

fn list(value: &Value) -> String {
    let numbers = value.as_array().unwrap().iter().map(ToString::to_string);
    numbers.collect::<Vec<_>>().join(" ")
}

/// A row of the table.
fn row(gigabytes: u32, size: usize, best: &Value) -> String {
    let (model, training) = (&best["config"]["model"], &best["config"]["training"]);
    let number = |value: &Value| value.as_u64().unwrap();
    let micro_batch = number(&training["batch_size"]) / number(&training["gradient_accumulation"]);
    format!(
        "{gigabytes},{size},{},{},{},{},{},{:.1},{:.1},{micro_batch},{},{},{}",
        model["base_channels"],
        list(&model["channel_multipliers"]),
        model["num_res_blocks"],
        list(&model["attention_resolutions"]),
        model["attention_head_dim"],
        best["parameters"].as_f64().unwrap() / 1e6,
        best["forward_flops_per_image"].as_f64().unwrap() / 1e9,
        training["recompute"],
        training["precision"].as_str().unwrap(),
        training["steps"],
    )
}

const HEADER: &str = "memory_gb,image_size,base_channels,channel_multipliers,num_res_blocks,attention_resolutions,\
                      attention_head_dim,million_parameters,forward_gflop_per_image,images_at_a_time,recompute,precision,\
                      steps";

/// Parameters of each row of the committed table, by memory and size.
fn committed() -> BTreeMap<(String, String), f64> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/recommendations.csv");
    let text = fs::read_to_string(path).unwrap();
    assert_eq!(text.lines().next(), Some(HEADER));
    let rows = text.lines().skip(1).map(|line| line.split(',').collect::<Vec<_>>());
    rows.map(|cells| ((cells[0].to_owned(), cells[1].to_owned()), cells[7].parse().unwrap())).collect()
}

#[test]
fn every_budget_has_a_network_for_every_size_that_passes_a_strict_plan() {
    let (committed, mut table, mut moved) = (committed(), format!("{HEADER}\n"), String::new());
    for size in SIZES {
        let mut smallest = 0;
        for gigabytes in BUDGETS {
            let place = Workplace::new();
            let advice = recommend(&place, gigabytes, size, &["-o", "x.toml"]);
            let best = &advice["best"];
            let memory = gigabytes.to_string();
            let plan = place.ablate(&["plan", "x.toml", "--strict", "--memory", &memory, "--json"]).exits(0);
            assert_eq!(plan.stderr, "", "{gigabytes} GB, {size:?}: no warning");
            let planned = &plan.json()["variants"][0];
            for key in ["parameters", "train_flops_per_image", "train_memory_bytes"] {
                assert_eq!(planned[key], best[key], "{gigabytes} GB, {size:?}: {key}");
            }
            let parameters = best["parameters"].as_u64().unwrap();
            assert!(parameters >= smallest, "{gigabytes} GB, {size:?}: more memory has a smaller network");
            smallest = parameters;
            let line = row(gigabytes, size.0, best);
            let known = committed.get(&(memory, size.0.to_string())).copied().unwrap_or(0.0) * 1e6;
            if (parameters as f64 / known - 1.0).abs() > TOLERANCE {
                let _ = writeln!(moved, "{line}, where the table has {known}");
            }
            let _ = writeln!(table, "{line}");
            let others = advice["others"].as_array().unwrap();
            assert!(
                (2..=4).contains(&others.len()),
                "{gigabytes} GB, {size:?}: {} alternatives",
                others.len()
            );
        }
    }
    assert!(moved.is_empty(), "{moved}\ntests/data/recommendations.csv would be\n{table}");
}

#[test]
fn the_alternatives_pass_a_strict_plan_too() {
    let place = Workplace::new();
    let advice = recommend(&place, 8, (64, 3), &[]);
    for other in advice["others"].as_array().unwrap() {
        let name = other["name"].as_str().unwrap();
        let file = format!("{name}.toml");
        let words = ["recommend", "--memory", "8", "--image-size", "64", "--choose", name, "-o", &file];
        place.ablate(&words).exits(0);
        assert_eq!(fs::read_to_string(place.path(&file)).unwrap(), other["toml"].as_str().unwrap());
        place.ablate(&["plan", &file, "--strict", "--memory", "8"]).exits(0);
    }
}

/// What an engineer of the field would say of a network, whatever its size.
fn is_sensible(size: usize, best: &Value) {
    let (model, config) = (&best["config"]["model"], &best["config"]);
    let numbers = |value: &Value| -> Vec<u64> {
        value.as_array().unwrap().iter().map(|number| number.as_u64().unwrap()).collect()
    };
    let multipliers = numbers(&model["channel_multipliers"]);
    let lowest = size >> (multipliers.len() - 1);
    assert!(multipliers.is_sorted() && multipliers[0] == 1, "{size}: widths grow on the way down");
    assert!(multipliers.windows(2).all(|pair| pair[1] <= 2 * pair[0]), "{size}: no level more than doubles");
    assert!((4..=16).contains(&lowest), "{size}: the lowest level is {lowest} pixels");
    let base = model["base_channels"].as_u64().unwrap();
    assert!(base.is_multiple_of(16), "{size}: {base} channels");
    let groups = model["norm_groups"].as_u64().unwrap();
    assert!(multipliers.iter().all(|multiplier| (multiplier * base).is_multiple_of(groups)));
    let attention = numbers(&model["attention_resolutions"]);
    assert!(attention.iter().all(|&pixels| pixels <= 32), "{size}: attention at {attention:?}");
    assert!(attention.iter().any(|&pixels| (7..=16).contains(&pixels)), "{size}: attention at {attention:?}");
    let head = model["attention_head_dim"].as_u64().unwrap();
    assert!([32, 64].contains(&head), "{size}: heads of {head}");
    for level in best["levels"].as_array().unwrap() {
        let share = |key: &str| level[key].as_f64().unwrap();
        assert!(0.5 * (share("parameters_share") + share("flops_share")) < 0.5, "{size}: {level}");
    }
    let schedule = config["diffusion"]["noise_schedule"].as_str().unwrap();
    assert_eq!(schedule, if size > 64 { "linear" } else { "cosine" }, "{size}");
    assert_eq!(config["diffusion"]["timesteps"], 1000);
}

#[test]
fn the_six_sizes_of_the_guide_have_sensible_networks() {
    let mut before = 0.0;
    for (size, channels) in SIZES {
        let advice = recommend(&Workplace::new(), 24, (size, channels), &[]);
        let best = &advice["best"];
        is_sensible(size, best);
        // Between what the smallest and the largest published network of any such size have.
        let parameters = best["parameters"].as_f64().unwrap();
        assert!((4e6..6e8).contains(&parameters), "{size}: {parameters}");
        assert!(parameters > 0.9 * before, "{size}: larger images do not have smaller networks");
        before = parameters;
    }
}

#[test]
fn the_text_has_the_reasons_the_alternatives_and_the_file() {
    let place = Workplace::new();
    let words = ["recommend", "--memory", "16", "--image-size", "64", "--dataset-size", "202599"];
    let ran = place.ablate(&words).exits(0);
    assert_eq!((ran.stderr.as_str(), place.files()), ("", vec![]));
    let text = ran.stdout;
    for part in [
        "recommended: ",
        "\nsize: 202,599 images",
        "\nmultipliers: ",
        "\nattention: ",
        "\nmemory: ",
        "\ntraining: ",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    assert!(text.contains("hours: unknown") && text.contains("`ablate bench --calibrate`"), "{text}");
    assert!(text.contains("* best") && text.contains("smaller: "), "{text}");
    // The file stands at the end, as `--format toml` prints it.
    let toml = place.ablate(&[&words[..], &["--format", "toml"]].concat()).exits(0).stdout;
    assert!(text.ends_with(&toml) && toml.contains("\n[training]\n"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 120), "{text}");
}

#[test]
fn hours_need_a_speed() {
    let place = Workplace::new();
    let words = ["recommend", "--memory", "16", "--image-size", "32", "--hours", "2"];
    let ran = place.ablate(&words).exits(0);
    assert!(ran.stderr.contains("--hours was left out of account"), "{}", ran.stderr);
    let with = place.ablate(&[&words[..], &["--tflops", "5", "--format", "json"]].concat()).exits(0);
    assert_eq!(with.stderr, "");
    let best = &with.json()["best"];
    let hours = best["hours"].as_f64().unwrap();
    assert!(hours > 1.5 && hours <= 2.0, "{hours}");
    assert_eq!(best["ended_by"], "hours");
}

#[test]
fn a_budget_that_makes_no_sense_is_refused_with_what_to_do() {
    let refused = |words: &[&str]| {
        let ran = Workplace::new().ablate(&[&["recommend"], words].concat()).exits(2);
        assert_eq!(ran.stdout, "");
        ran.stderr
    };
    assert_eq!(
        refused(&["--memory", "-4", "--image-size", "32"]),
        "error: --memory -4 is no amount of memory\n  help: give the GB of the device that will train, such as --memory \
         8\n"
    );
    assert_eq!(
        refused(&["--memory", "8", "--image-size", "37"]),
        "error: --image-size 37 cannot be halved, and each level of a U-Net halves it\n  help: use 36 or 40; images are \
         resized to it\n"
    );
    assert_eq!(
        refused(&["--memory", "8", "--image-size", "100"]),
        "error: --image-size 100 cannot be halved down to 16 pixels or fewer, where a U-Net sees the whole of it\n  \
         help: use 96 or 104; images are resized to it\n"
    );
    let nothing = refused(&["--memory", "0.5", "--image-size", "512"]);
    assert!(
        nothing
            .starts_with("error: no network for images of 512 pixels fits into 0.5 GB: the smallest needs "),
        "{nothing}"
    );
    assert!(nothing.ends_with("\n  help: more memory, or smaller images\n"), "{nothing}");
    assert!(refused(&["--memory", "inf", "--image-size", "32"]).contains("--memory inf is no amount"));
    assert!(refused(&["--memory", "1e300", "--image-size", "32"]).contains("more GB than any device has"));
    assert!(refused(&["--memory", "8", "--image-size", "4"]).contains("is not between 8 and 1024"));
    assert!(
        refused(&["--memory", "8", "--image-size", "32", "--channels", "2"])
            .contains("--channels 2 is neither")
    );
    assert!(
        refused(&["--memory", "8", "--image-size", "32", "--hours", "-1"]).contains("--hours -1 is no time")
    );
    assert!(
        refused(&["--memory", "8", "--image-size", "32", "--tflops", "0"]).contains("--tflops 0 is no speed")
    );
    let size = ["--memory", "8", "--image-size", "32", "--dataset-size", "0"];
    assert!(refused(&size).contains("--dataset-size 0 leaves nothing to train on"));
}

#[test]
fn a_file_that_is_there_is_left_alone() {
    let place = Workplace::with("x.toml", "mine");
    let words = ["recommend", "--memory", "8", "--image-size", "32", "-o"];
    let ran = place.ablate(&[&words[..], &["x.toml"]].concat()).exits(2);
    assert!(ran.stderr.starts_with("error: x.toml is there already"), "{}", ran.stderr);
    assert_eq!(fs::read_to_string(place.path("x.toml")).unwrap(), "mine");
    let ran = place.ablate(&[&words[..], &["none/x.toml"]].concat()).exits(2);
    assert!(ran.stderr.starts_with("error: there is no folder none\n"), "{}", ran.stderr);
}

#[cfg(feature = "torch")]
mod trained {
    use super::{SIZES, recommend};
    use crate::support::Workplace;
    use crate::support::training::only_run;

    /// The recommended shape, narrow and with two images, so that any machine can.
    const REDUCED: [&str; 9] = [
        "model.base_channels=32",
        "model.attention_head_dim=32",
        "training.steps=1",
        "training.batch_size=2",
        "training.gradient_accumulation=1",
        "training.precision=f32",
        "data.limit=64",
        "evaluation.every=0",
        "sampling.every=0",
    ];

    #[test]
    fn each_size_trains_for_a_step() {
        for size in SIZES {
            let place = Workplace::new();
            recommend(&place, 8, size, &["-o", "x.toml"]);
            let settings = REDUCED.iter().chain(&["runtime.device=cpu"]).flat_map(|setting| ["-s", setting]);
            let words: Vec<&str> = ["run", "x.toml", "--quiet"].into_iter().chain(settings).collect();
            place.ablate(&words).exits(0);
            let metrics = only_run(&place).read("metrics.csv");
            assert_eq!(metrics.lines().count(), 2, "{size:?}:\n{metrics}");
        }
    }
}
