//! T21: runs of every earlier format are read, shown, sampled and gone on with; a newer format is refused by name,
//! and nothing is written.

#[cfg(feature = "torch")]
use std::fs;
#[cfg(feature = "torch")]
use std::path::PathBuf;

#[cfg(feature = "torch")]
use crate::support::Workplace;
#[cfg(feature = "torch")]
use crate::support::golden::contents;
use crate::support::golden::{self, EXPERIMENT};

#[test]
fn runs_of_every_format_are_shown_compared_and_clean() {
    for format in golden::formats() {
        let place = golden::workplace(&format);
        let status = place.ablate(&["status", EXPERIMENT, "--json"]).exits(0).json();
        let states: Vec<&str> =
            status["runs"].as_array().unwrap().iter().filter_map(|run| run["state"].as_str()).collect();
        assert_eq!(states, ["done", "interrupted"], "{format}: {status}");
        assert_eq!(status["notes"], serde_json::json!([]), "{format}");

        let compared = place.ablate(&["compare", EXPERIMENT, "--format", "json"]).exits(0).json();
        let done = &compared["rows"][0]["seeds"][0];
        assert_eq!((&done["seed"], &done["state"]), (&0.into(), &"done".into()), "{format}: {compared}");
        assert!(done["value"].as_f64().unwrap() > 0.0, "{format}: {compared}");

        let checked = place.ablate(&["check", EXPERIMENT]).exits(0);
        assert_eq!(checked.stdout, "2 runs, 3 good checkpoints of 1 MiB: nothing is damaged\n", "{format}");
    }
}

#[cfg(feature = "torch")]
#[test]
fn runs_of_every_format_are_sampled_and_gone_on_with() {
    for format in golden::formats() {
        let place = golden::workplace(&format);
        for seed in [0, 1] {
            let run = golden::run(&place, seed);
            place.ablate(&["sample", run.to_str().unwrap(), "-n", "2", "-o", "out.png"]).exits(0);
            assert!(place.path("out.png").is_file());
        }
        let done = contents(&golden::run(&place, 0));

        // Another program wrote them.
        let refused = place.ablate(&["resume", EXPERIMENT, "--require-exact"]).exits(2);
        assert!(refused.stderr.contains("seed-1: program changed from"), "{format}: {}", refused.stderr);

        place.ablate(&["resume", EXPERIMENT]).exits(0);
        let run = golden::run(&place, 1);
        let status: serde_json::Value =
            serde_json::from_str(&fs::read_to_string(run.join("status.json")).unwrap()).unwrap();
        assert_eq!((&status["state"], &status["exact"]), (&"done".into(), &false.into()), "{format}");
        let metrics = fs::read_to_string(run.join("metrics.csv")).unwrap();
        let steps: Vec<&str> = metrics.lines().skip(1).filter_map(|row| row.split(',').next()).collect();
        let every_second: Vec<String> = (1..=12).map(|row| (2 * row).to_string()).collect();
        assert_eq!(steps, every_second, "{format}");
        assert_eq!(contents(&golden::run(&place, 0)), done, "{format}: a run that is done was touched");
        let checked = place.ablate(&["check", EXPERIMENT]).exits(0);
        assert!(checked.stdout.ends_with("nothing is damaged\n"), "{format}: {}", checked.stdout);
    }
}

#[cfg(feature = "torch")]
/// Every file that carries a version, from the experiment's folder.
fn versioned(place: &Workplace) -> Vec<(&'static str, PathBuf)> {
    let (experiment, run) = (place.path(EXPERIMENT), golden::run(place, 1));
    vec![
        ("status", run.join("status.json")),
        ("execution", run.join("execution.json")),
        ("provenance", run.join("provenance.json")),
        ("manifest", run.join("checkpoints/step-00000016/manifest.json")),
        ("manifest", run.join("checkpoints/step-00000012/manifest.json")),
        ("plan", experiment.join("plan.json")),
        ("request", experiment.join("request/request.json")),
    ]
}

#[cfg(feature = "torch")]
#[test]
fn a_newer_format_of_any_file_is_refused_and_nothing_is_written() {
    let newest = golden::formats().pop().unwrap();
    let count = versioned(&golden::workplace(&newest)).len();
    for index in 0..count {
        let place = golden::workplace(&newest);
        let (what, path) = versioned(&place).swap_remove(index);
        fs::write(&path, "{\"format\": 99, \"of\": [\"the future\"]}").unwrap();
        let before = contents(&place.path(EXPERIMENT));
        let expected = format!("{what} format 99, this program knows formats up to 1; use a newer ablate");
        let run = golden::run(&place, 1);
        let run = run.to_str().unwrap();
        for arguments in [vec!["resume", EXPERIMENT], vec!["extend", run, "--steps", "40"]] {
            let refused = place.ablate(&arguments).exits(2);
            let sentence = refused.stderr.replace("\n  ", " ");
            assert!(sentence.contains(&expected), "{arguments:?}: {}", refused.stderr);
            assert!(refused.stderr.contains(path.file_name().unwrap().to_str().unwrap()));
            assert!(contents(&place.path(EXPERIMENT)) == before, "{arguments:?} wrote beside {what}");
        }
        if what != "request" {
            let checked = place.ablate(&["check", EXPERIMENT]).exits(1);
            assert!(checked.stdout.contains("use the newer ablate that wrote it"), "{}", checked.stdout);
        }
        if !["plan", "request"].contains(&what) {
            // A worker that is started by hand refuses before its first write, too.
            let worker = place.ablate(&["worker", run]);
            assert_eq!(worker.code, Some(3), "{worker:?}");
            let after: Vec<_> =
                contents(&place.path(EXPERIMENT)).into_iter().filter(|(name, _)| !ours(name)).collect();
            let before: Vec<_> = before.into_iter().filter(|(name, _)| !ours(name)).collect();
            assert!(after == before, "the worker wrote beside {what}");
        }
    }
}

/// What a worker may write before it looks: its lock and its log.
#[cfg(feature = "torch")]
fn ours(name: &str) -> bool {
    name.ends_with(".lock") || name.ends_with("log.jsonl")
}
