//! `ablate bench`: what it says of a step adds up, it leaves nothing behind, and wrong words end it with code 2.

use serde_json::Value;

use crate::support::Workplace;
use crate::support::training::TINY;

fn bench(place: &Workplace, more: &[&str]) -> Value {
    let arguments = [&["bench", "x.toml", "--json", "--steps", "4", "--warmup", "1"], more].concat();
    place.ablate(&arguments).exits(0).json()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

fn list(value: &Value) -> &Vec<Value> {
    value.as_array().unwrap_or_else(|| panic!("{value} is no list"))
}

#[test]
fn the_parts_of_a_step_add_up_to_it_and_every_operation_is_there() {
    let place = Workplace::with("x.toml", TINY);
    let found = bench(&place, &[]);
    assert_eq!((found["format"].as_u64(), found["device"].as_str()), (Some(1), Some("cpu")));
    assert_eq!((found["threads"].as_u64(), found["inputs"].as_str()), (Some(1), Some("preloaded")));
    assert_eq!(found["parameters"], 18_521);
    assert_eq!(found["configuration"]["precision"], "f32");
    for key in ["cpu", "host", "version", "code_revision", "started", "cores", "command"] {
        assert!(!found["machine"][key].is_null(), "{key}");
    }
    let steps = &found["steps"];
    let names: Vec<&str> = list(&steps["parts"]).iter().filter_map(|part| part["name"].as_str()).collect();
    assert_eq!(names, ["data_wait", "inputs", "forward", "backward", "update", "other"]);
    let shares: f64 = list(&steps["parts"]).iter().map(|part| number(&part["share"])).sum();
    assert!((shares - 1.0).abs() < 1e-6, "{shares}");
    let other = &list(&steps["parts"])[5];
    assert!(number(&other["share"]).abs() < 0.05, "no part has {other}");
    let of = |key: &str| number(&steps["step_seconds"][key]);
    assert!(0.0 < of("min") && of("min") <= of("median") && of("median") <= of("max"));
    assert!((number(&steps["images_per_second"]) * of("median") - 8.0).abs() < 1e-6);
    assert!(number(&steps["peak_memory_bytes"]) >= number(&steps["memory_before_bytes"]));
    assert_eq!(steps["averages"]["tracks"], 1);
    // One to warm up, four that count, four pairs for the averages.
    assert_eq!(list(&steps["losses"]).len(), 13);
    assert!(number(&found["matrix_product"]["flops_per_second"]) > 1e8);
    let operations = list(&found["operations"]);
    let flops: f64 = operations.iter().map(|op| number(&op["flops"]) * number(&op["count"])).sum();
    assert_eq!(flops, number(&found["step_flops"]), "each operation is counted, and none twice");
    for kind in ["conv 3x3", "linear", "+ time, group norm, silu", "self-attention"] {
        assert!(operations.iter().any(|op| op["kind"] == kind), "no {kind}");
    }
    assert_eq!(place.files(), ["x.toml"], "a bench writes nothing");
}

#[test]
fn the_step_alone_is_measured_on_drawn_images_or_on_those_of_the_data_set() {
    let place = Workplace::with("x.toml", TINY);
    let drawn = bench(&place, &["--step-only", "--threads", "2"]);
    assert_eq!((drawn["threads"].as_u64(), list(&drawn["operations"]).len()), (Some(2), 0));
    assert!(drawn["steps"]["averages"].is_null() && drawn["matrix_product"].is_null());
    assert_eq!(list(&drawn["steps"]["losses"]).len(), 5);
    let read = bench(&place, &["--step-only", "--data"]);
    assert_eq!(read["inputs"], "data");
    assert_ne!(read["steps"]["losses"], drawn["steps"]["losses"], "other images");
    // Losses are those of the configuration: the same command measures the same training.
    assert_eq!(bench(&place, &["--step-only", "--data"])["steps"]["losses"], read["steps"]["losses"]);
}

#[test]
fn the_table_names_what_was_measured() {
    let place = Workplace::with("x.toml", &format!("{TINY}[sweep.grid]\n\"training.batch_size\" = [4, 8]\n"));
    let ran = place.ablate(&["bench", "x.toml", "--steps", "2", "--warmup", "0"]).exits(0);
    assert!(
        ran.stderr.contains("is the first of 2 variants; --variant NAME measures another"),
        "{}",
        ran.stderr
    );
    for words in [
        "18521 parameters, channels 8,8, 8x8x1, batch 4, f32",
        "  backward",
        "all else",
        "images/s",
        "of peak",
    ] {
        assert!(ran.stdout.contains(words), "no {words:?} in\n{}", ran.stdout);
    }
}

#[test]
fn what_cannot_be_measured_is_refused_with_code_2() {
    let place = Workplace::with("x.toml", TINY);
    for (arguments, said) in [
        (&["nothing"][..], "nothing is neither a file nor a preset"),
        (&["x.toml", "-s", "training.batch_size=0"], "training.batch_size"),
        (&["x.toml", "--variant", "none"], "--variant none names no variant of x"),
        (&["x.toml", "--steps", "0"], "0 is not in 1..=100000"),
        (&["x.toml", "--scheduler"], "cannot be used with"),
        (&["x.toml", "--runs", "3"], "--runs and --points are of --scheduler, which was not asked for"),
        (&["mnist", "--data", "--steps", "1"], "mnist"),
    ] {
        let ran = place.ablate(&[&["bench"], arguments].concat()).exits(2);
        assert!(ran.stderr.contains(said), "{arguments:?}:\n{}", ran.stderr);
    }
    assert_eq!(place.files(), ["x.toml"]);
}

#[test]
fn the_scheduler_is_measured_with_workers_that_do_nothing() {
    let place = Workplace::new();
    let found =
        place.ablate(&["bench", "--scheduler", "--runs", "6", "--points", "10", "--json"]).exits(0).json();
    assert_eq!(found["plan"]["points"], 16, "rounded up to a square");
    assert!(number(&found["plan"]["total_seconds"]) > 0.0 && number(&found["bare_process_seconds"]) > 0.0);
    for launch in list(&found["launches"]) {
        assert_eq!(launch["runs"], 6);
        let of = |key: &str| number(&launch[key]);
        let sum = of("prepare_seconds") + of("launch_seconds") + of("summary_seconds");
        assert!((of("total_seconds") / sum - 1.0).abs() < 1e-9);
    }
    let text = place.ablate(&["bench", "--scheduler", "--runs", "2", "--points", "1"]).exits(0).stdout;
    assert!(text.contains("plan of 1 points") && text.contains("ms a run"), "{text}");
    assert!(place.files().is_empty());
}
