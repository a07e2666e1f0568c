//! Sweeps that change between two runs: what is done stays done, whatever form asks for it.

use std::collections::BTreeMap;
use std::fs;
use std::time::SystemTime;

use serde_json::{Value, json};

use crate::support::tier::Tier;
use crate::support::training::{TINY, runs_of};
use crate::support::{Ran, Workplace};

/// [`TINY`] with two steps and a sweep.
fn file(sweep: &str) -> String {
    let mut text = TINY.to_owned();
    for (from, to) in [("steps = 48", "steps = 2"), ("every = 24", "every = 0")] {
        assert_eq!(text.matches(from).count(), 1, "{from}");
        text = text.replace(from, to);
    }
    text + sweep
}

/// Runs the experiment with another sweep; returns how many runs it started besides what it said.
#[track_caller]
fn run(place: &Workplace, sweep: &str) -> (usize, Ran) {
    place.write("x.toml", file(sweep));
    let ran = place.ablate(&["run", "x.toml", "--jobs", "2"]).exits(0);
    (ran.stderr.matches("start  ").count(), ran)
}

/// When each run wrote its rows, and its attempts, by folder.
fn trained(place: &Workplace) -> BTreeMap<String, (SystemTime, u64)> {
    let entry = |run: &crate::support::training::Run| {
        let written = fs::metadata(run.path.join("metrics.csv")).unwrap().modified().unwrap();
        let folder = run.path.strip_prefix(place.path("runs/x")).unwrap();
        (folder.to_str().unwrap().to_owned(), (written, run.attempt()))
    };
    runs_of(place).iter().map(entry).collect()
}

/// `plan.json`: names without their ids, and whether each is asked for.
fn planned(place: &Workplace) -> Vec<(String, bool)> {
    let plan: Value = serde_json::from_str(&place.read("runs/x/plan.json")).unwrap();
    let variant = |variant: &Value| {
        let name = variant["name"].as_str().unwrap().rsplit_once('-').unwrap().0.to_owned();
        (name, variant["asked"].as_bool().unwrap())
    };
    plan["variants"].as_array().unwrap().iter().map(variant).collect()
}

#[track_caller]
fn assert_planned(place: &Workplace, expected: &[(&str, bool)]) {
    let found = planned(place);
    let found: Vec<(&str, bool)> = found.iter().map(|(name, asked)| (name.as_str(), *asked)).collect();
    assert_eq!(found, expected);
}

#[test]
fn another_value_or_another_form_retrains_nothing_that_is_done() {
    if Tier::asked().leaves_out(Tier::Standard, "sweeps that change between runs") {
        return;
    }
    let place = Workplace::new();
    let (started, _) = run(&place, "[sweep.grid]\n\"model.dropout\" = [0.0, 0.1]\n");
    assert_eq!(started, 2);
    assert_planned(&place, &[("drop0", true), ("drop0.1", true)]);
    let first = trained(&place);

    // Another value of the axis.
    let (started, ran) = run(&place, "[sweep.grid]\n\"model.dropout\" = [0.2, 0.0, 0.1]\n");
    assert_eq!(started, 1, "{}", ran.stderr);
    assert_planned(&place, &[("drop0.2", true), ("drop0", true), ("drop0.1", true)]);
    let second = trained(&place);
    assert!(first.iter().all(|(folder, when)| second[folder] == *when), "{first:?} {second:?}");

    // The grid becomes zips, and then steps from a base and a named variant.
    let zips = "[[sweep.zip]]\n\"model.dropout\" = [1e-1, 0]\n\"diffusion.noise_schedule\" = [\"linear\", \"linear\"]\n\
                [[sweep.zip]]\n\"diffusion.timesteps\" = [1000]\n\"model.attention_resolutions\" = [[4, 4]]\n";
    let (started, ran) = run(&place, zips);
    assert_eq!(started, 0, "{}", ran.stderr);
    assert_planned(&place, &[("drop0.1", true), ("drop0", true), ("drop0.2", false)]);

    let steps = "[sweep]\non_invalid = \"skip\"\n[sweep.one_at_a_time]\n\"model.dropout\" = [0.0, 0.1, 0.2, 2]\n\
                 [[sweep.variant]]\nname = \"light\"\n\"model.dropout\" = 0.1\n\
                 [[sweep.exclude]]\nwhen = { \"model.dropout\" = { ge = 0.15, lt = 1 } }\nreason = \"too much\"\n";
    let (started, ran) = run(&place, steps);
    assert_eq!(started, 0, "{}", ran.stderr);
    let note = "note: 3 points of the sweep left out: 1 excluded, 1 invalid and skipped, 1 equal to others and \
                planned once; `ablate plan` says which and why\n";
    assert!(ran.stderr.contains(note), "{}", ran.stderr);
    assert_planned(&place, &[("drop0", true), ("drop0.1", true), ("drop0.2", false)]);
    assert_eq!(trained(&place), second, "nothing was trained again");

    let plan = place.ablate(&["plan", "x.toml", "--json"]).exits(0).json();
    let states: Vec<&Value> =
        plan["variants"].as_array().unwrap().iter().map(|variant| &variant["state"]).collect();
    assert_eq!(states, [&json!("done"), &json!("done")]);
    assert_eq!(plan["excluded"][0]["reason"], "too much");
    assert_eq!(plan["invalid"][0]["point"], "drop2");
}
