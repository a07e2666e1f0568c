//! `ablate config diff`: what two experiments, runs or variants differ in, and where each value was set.

use crate::support::Workplace;
use crate::support::golden::{self, EXPERIMENT};

/// Two experiments that differ in a few keys.
fn two() -> Workplace {
    let place = Workplace::with("a.toml", "description = \"one\"\nmodel.dropout = 0.1\ntraining.steps = 5\n");
    place.write(
        "b.json",
        "{\"description\": \"two\", \"training\": {\"epochs\": 2, \"learning_rate\": 0.0002}}",
    );
    place
}

#[test]
fn diff_shows_the_keys_that_differ_in_the_order_of_the_defaults() {
    let place = two();
    let text = place.ablate(&["config", "diff", "a.toml", "b.json"]).exits(0).stdout;
    let (table, variants) = text.rsplit_once("\n\n").unwrap();
    // The line of a default moves with every key before it.
    let default = table.find("default.toml:").unwrap();
    let line: String = table[default + 13..].chars().take_while(char::is_ascii_digit).collect();
    let table =
        table.replace(&format!("default.toml:{line}"), &format!("default.toml:{}", "N".repeat(line.len())));
    assert_eq!(
        table,
        "\
A  a.toml
B  b.json

configuration    A      set in    B      set in
name             \"a\"    a.toml    \"b\"    b.json           not part of the variant
description      \"one\"  a.toml:1  \"two\"  b.json           not part of the variant
model.dropout    0.1    a.toml:2  0.0    default.toml:NN
training.steps   5      a.toml:3  -
training.epochs  -                2      b.json"
    );
    assert!(variants.starts_with("A trains variant "), "{variants}");
    assert_eq!(place.files(), ["a.toml", "b.json"]);
}

#[test]
fn diff_as_json_has_both_values_of_each_key() {
    let place = two();
    let json = place.ablate(&["config", "diff", "a.toml", "b.json", "--json"]).exits(0).json();
    let keys: Vec<&str> =
        json["differences"].as_array().unwrap().iter().map(|row| row["key"].as_str().unwrap()).collect();
    assert_eq!(keys, ["name", "description", "model.dropout", "training.steps", "training.epochs"]);
    let steps = &json["differences"][3];
    assert_eq!((&steps["first"], &steps["second"], &steps["hashed"]), (&5.into(), &().into(), &true.into()));
    assert_eq!((&steps["first_origin"], &steps["second_origin"]), (&"a.toml:3".into(), &().into()));
    assert_ne!(json["identities"][0], json["identities"][1]);
}

/// A run's folder as a worker would have left it.
fn run_of(place: &Workplace, experiment: &str, folder: &str, libtorch: &str) {
    let config = place.ablate(&["config", "show", experiment]).exits(0).stdout;
    place.write(&format!("{folder}/config.toml"), config);
    let provenance = format!(
        "{{\"format\": 1, \"attempts\": [{{\"attempt\": 1, \"started\": \"2026-01-01T00:00:00Z\", \"host\": \"h\", \
         \"command\": [], \"version\": \"0.1.0\", \"code_revision\": \"abc\", \"code_dirty\": false, \"binary\": \"b\", \
         \"libtorch\": \"{libtorch}\", \"device\": \"cpu\", \"cpu\": \"c\", \"threads\": 1, \"data_fingerprint\": \"f\"}}]}}"
    );
    place.write(&format!("{folder}/provenance.json"), provenance);
}

#[test]
fn diff_takes_runs_and_says_where_their_libraries_differ() {
    let place = two();
    run_of(&place, "a.toml", "runs/v/seed-0", "2.9.0");
    run_of(&place, "a.toml", "runs/v/seed-1", "2.9.1");
    let text = place.ablate(&["config", "diff", "runs/v/seed-0", "runs/v/seed-1"]).exits(0).stdout;
    let (table, variants) = text.rsplit_once("\n\n").unwrap();
    assert_eq!(
        table,
        "\
A  runs/v/seed-0
B  runs/v/seed-1

environment  A      B
libtorch     2.9.0  2.9.1"
    );
    assert!(variants.starts_with("no key differs; both train the same variant, "), "{variants}");
    // A run and the experiment it came from differ in nothing, though a run's paths are absolute.
    let text = place.ablate(&["config", "diff", "a.toml", "runs/v/seed-0"]).exits(0).stdout;
    assert!(text.contains("\nno key differs; both train the same variant, "), "{text}");
}

#[test]
fn diff_refuses_what_is_neither_an_experiment_nor_a_run() {
    let place = two();
    place.write("runs/plan.json", "{}");
    assert_eq!(
        place.ablate(&["config", "diff", "a.toml", "runs"]).exits(2).stderr,
        "error: runs is not a run folder: it has no config.toml\n  \
         help: name an experiment file, or a run or variant: runs/<experiment>/<variant>[/seed-<n>]\n"
    );
    assert_eq!(
        place.ablate(&["config", "diff", "none.toml", "a.toml"]).exits(2).stderr,
        "error: none.toml does not exist\n"
    );
    place.write("bad.toml", "model.dropuot = 1\n");
    assert_eq!(
        place.ablate(&["config", "diff", "a.toml", "bad.toml"]).exits(2).stderr,
        "error: unknown key model.dropuot\n  set in bad.toml:1\n  help: did you mean model.dropout?\n"
    );
}

#[test]
fn a_variant_stands_for_its_first_run_and_runs_alike_are_said_to_be() {
    let place = two();
    run_of(&place, "a.toml", "runs/v/seed-3", "2.9.0");
    run_of(&place, "a.toml", "runs/v/seed-10", "2.9.0");
    let text = place.ablate(&["config", "diff", "runs/v", "runs/v/seed-10"]).exits(0).stdout;
    assert!(
        text.starts_with(
            "A  runs/v (seed 3)\nB  runs/v/seed-10\n\nno key differs; code and environment were the same;"
        ),
        "{text}"
    );
}

#[test]
fn runs_tell_code_and_environment_of_every_attempt_and_how_they_were_executed() {
    let place = two();
    run_of(&place, "a.toml", "runs/v/seed-0", "2.9.0");
    run_of(&place, "a.toml", "runs/v/seed-1", "2.9.0");
    let path = place.path("runs/v/seed-1/provenance.json");
    let mut record: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    let mut later = record["attempts"][0].clone();
    (later["attempt"], later["code_dirty"], later["device"]) = (2.into(), true.into(), "cuda:0".into());
    later["host"] = "g\u{1b}[31m".into();
    record["attempts"].as_array_mut().unwrap().push(later);
    std::fs::write(path, record.to_string()).unwrap();
    place.write("runs/v/seed-0/execution.json", "{\"format\": 1, \"threads\": 1, \"sampling_batch\": 64}");
    place.write("runs/v/seed-1/execution.json", "{\"format\": 1, \"threads\": 1, \"sampling_batch\": 32}");
    let run = ["config", "diff", "runs/v/seed-0", "runs/v/seed-1"];
    let text = place.ablate(&run).exits(0).stdout;
    let (table, _) = text.rsplit_once("\n\n").unwrap();
    assert_eq!(
        table,
        "\
A  runs/v/seed-0
B  runs/v/seed-1

code      A    B
revision  abc  abc then abc+changes

environment     A    B
device          cpu  cpu then cuda:0
host            h    h then g\\u{1b}[31m
sampling_batch  64   32"
    );
    let json = place.ablate(&[&run[..], &["--json"]].concat()).exits(0).json();
    let names: Vec<&str> =
        json["conditions"].as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["revision", "device", "host", "sampling_batch"]);
    assert_eq!(json["conditions"][0]["group"], "code");
}

#[test]
fn what_an_earlier_version_trained_says_where_its_values_were_set() {
    let format = golden::formats().pop().unwrap();
    let place = golden::workplace(&format);
    place.write("other.toml", "[training]\nlearning_rate = 0.5\n");
    let run = golden::run(&place, 0);
    let run = run.strip_prefix(place.path("")).unwrap().to_str().unwrap().to_owned();
    assert!(run.starts_with(EXPERIMENT));
    let json = place.ablate(&["config", "diff", &run, "other.toml", "--json"]).exits(0).json();
    let rows = json["differences"].as_array().unwrap();
    let row =
        |key: &str| rows.iter().find(|row| row["key"] == key).unwrap_or_else(|| panic!("{key}: {rows:?}"));
    assert_eq!(row("training.learning_rate")["second_origin"], "other.toml:2");
    assert_eq!(row("training.steps")["first_origin"], "golden.toml");
    assert!(json["conditions"].as_array().unwrap().is_empty(), "a file was trained nowhere");
}
