//! Loading from real folders, healthy and damaged.

use std::fs;
use std::path::PathBuf;

use serde_json::json;

use super::*;
use crate::report::fixture::Tree;
use crate::rundir::Process;

const ROWS: &str = "100,ema-0.9,1,0.5,0.25,64\n200,ema-0.9,1,0.4,0.2,64\n";

fn load_tree(tree: &Tree) -> Loaded {
    load(&[tree.experiment().path().to_path_buf()], Log::Eval).unwrap()
}

fn labels(loaded: &Loaded) -> Vec<&str> {
    loaded.variants.iter().map(|variant| variant.label.as_str()).collect()
}

#[test]
fn planned_variants_come_in_the_plans_order_and_missing_runs_are_there() {
    let tree = Tree::new();
    tree.plan(&[("z-1", &[0, 1]), ("a-2", &[0])]);
    tree.run("z-1", 0).config(|_| {}).eval(ROWS).done(200);
    let loaded = load_tree(&tree);
    assert_eq!(labels(&loaded), ["z-1", "a-2"]);
    let found: Vec<bool> =
        loaded.variants.iter().flat_map(|variant| &variant.runs).map(|run| run.found).collect();
    assert_eq!(found, [true, false, false]);
    assert_eq!(loaded.variants[0].runs[0].series.rows.len(), 2);
    assert_eq!(loaded.variants[0].value("model.base_channels"), Some(&json!(16)));
    assert!(loaded.notes.is_empty(), "{:?}", loaded.notes);
}

#[test]
fn a_variant_that_was_dropped_shows_what_it_has_and_misses_nothing() {
    let tree = Tree::new();
    tree.plan_json(&json!({"variants": [
        {"name": "a-1", "id": "1", "seeds": [0, 1], "asked": false, "overrides": {"model.dropout": 0.1}},
        {"name": "b-2", "id": "2", "seeds": [0], "asked": false}
    ]}));
    tree.run("a-1", 1).eval(ROWS).done(200);
    let loaded = load_tree(&tree);
    assert_eq!(labels(&loaded), ["a-1"]);
    assert!(!loaded.variants[0].asked);
    assert_eq!(loaded.variants[0].runs.iter().map(|run| run.seed).collect::<Vec<_>>(), [1]);
    assert_eq!(loaded.variants[0].value("model.dropout"), Some(&json!(0.1)));
}

#[test]
fn a_running_state_whose_owner_is_dead_counts_as_interrupted() {
    let tree = Tree::new();
    tree.run("a-1", 0).eval(ROWS).status(State::Running, 100, |_| {});
    tree.run("a-1", 1).eval(ROWS).status(State::Running, 100, |status| status.owner = Process::current());
    let states: Vec<State> = load_tree(&tree).variants[0].runs.iter().map(|run| run.state).collect();
    assert_eq!(states, [State::Interrupted, State::Running]);
}

#[test]
fn damage_is_noted_and_the_rest_is_read() {
    let tree = Tree::new();
    tree.run("a-1", 0).eval("100,ema-0.9,1,0.5,0.25,64\nx,y\n200,ema-0.9,1,0.").done(200);
    let broken = tree.run("b-2", 0).eval(ROWS).done(200);
    fs::write(broken.dir.status_path(), "{\"format\": 1, \"sta").unwrap();
    fs::write(broken.dir.config_path(), "name = ").unwrap();
    tree.run("c-3", 0);
    fs::write(tree.experiment().plan_path(), "{").unwrap();
    let loaded = load_tree(&tree);
    assert_eq!(labels(&loaded), ["a-1", "b-2"]);
    assert_eq!(loaded.variants[0].runs[0].series.rows.len(), 1);
    assert_eq!(loaded.variants[1].runs[0].series.rows.len(), 2);
    let notes = loaded.notes.join("\n");
    for expected in [
        "plan.json is damaged",
        "left out 1 damaged rows of",
        "which was cut short",
        "status.json is damaged",
        "b-2/seed-0/config.toml",
        "c-3/seed-0: it has neither config.toml nor status.json",
    ] {
        assert!(notes.contains(expected), "{expected} is missing in:\n{notes}");
    }
}

#[test]
fn a_row_in_the_making_of_a_live_run_is_no_damage() {
    let tree = Tree::new();
    let torn = format!("{ROWS}300,ema-0.9,1,0.");
    tree.run("a-1", 0)
        .config(|_| {})
        .eval(&torn)
        .status(State::Running, 300, |status| status.owner = Process::current());
    assert_eq!(load_tree(&tree).notes, Vec::<String>::new());
}

#[test]
fn a_run_a_variant_and_a_root_load_what_they_name() {
    let tree = Tree::new();
    tree.plan(&[("a-1", &[0, 1]), ("b-2", &[0])]);
    tree.run("a-1", 0).config(|_| {}).done(200);
    tree.run("b-2", 0).config(|_| {}).done(200);
    let experiment = tree.experiment();
    let count = |folder: PathBuf| {
        let loaded = load(&[folder], Log::Eval).unwrap();
        loaded.variants.iter().map(|variant| variant.runs.len()).collect::<Vec<_>>()
    };
    assert_eq!(count(experiment.run("a-1", 0).path().to_path_buf()), [1]);
    assert_eq!(count(experiment.variant_path("a-1")), [2]);
    assert_eq!(count(experiment.path().parent().unwrap().to_path_buf()), [2, 1]);
    let twice = [experiment.path().to_path_buf(), experiment.variant_path("a-1")];
    assert_eq!(load(&twice, Log::Eval).unwrap().variants.len(), 2);
    assert!(load(&[experiment.variant_path("none")], Log::Eval).is_err());
}

#[test]
fn several_experiments_are_told_apart_in_the_labels() {
    let (left, right) = (Tree::named("left"), Tree::named("right"));
    for tree in [&left, &right] {
        tree.run("a-1", 0).config(|_| {}).done(200);
    }
    let folders = [right.experiment(), left.experiment()].map(|experiment| experiment.path().to_path_buf());
    let mut labels: Vec<String> =
        load(&folders, Log::Eval).unwrap().variants.into_iter().map(|variant| variant.label).collect();
    labels.sort();
    assert_eq!(labels, ["left/a-1", "right/a-1"]);
}
