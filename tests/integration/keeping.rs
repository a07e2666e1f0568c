//! What looks after runs, through the real program: pinned checkpoints, `prune`, `--require-exact`, `extend`.

use std::fs;
use std::path::Path;

use rustix::process::Signal;

use crate::support::Workplace;
use crate::support::golden::contents;
use crate::support::processes::{Background, PATIENCE, said, send, wait_for, workers_of};
use crate::support::tier::Tier;
use crate::support::training::{Run, STEPS, only_run, runs_of, tiny};

const RUN: &[&str] = &["run", "x.toml", "--quiet"];

fn path(run: &Run) -> &str {
    run.path.to_str().unwrap()
}

/// The only run with this many steps in its configuration.
#[track_caller]
fn of_steps(place: &Workplace, steps: u64) -> Run {
    let line = format!("\nsteps = {steps}\nbatch_size");
    let mut runs = runs_of(place).into_iter().filter(|run| run.read("config.toml").contains(&line));
    let run = runs.next().unwrap_or_else(|| panic!("no run of {steps} steps"));
    assert_eq!(runs.next(), None);
    run
}

#[test]
fn pinned_steps_are_saved_and_survive_rotation_and_prune() {
    let place = tiny("");
    let pinned = ["-s", "checkpoint.pin=[5, 16]", "-s", "checkpoint.keep=3"];
    place.ablate(&[RUN, &pinned[..]].concat()).exits(0);
    let run = only_run(&place);
    let kept = run.checkpoints();
    assert!([5, 16, 32, 40, 48].iter().all(|step| kept.contains(step)), "{kept:?}");
    let best: u64 = {
        let manifest = run.read("checkpoints/step-00000048/manifest.json");
        let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
        manifest["best"]["step"].as_u64().unwrap()
    };

    let before = contents(&run.path);
    let planned = place.ablate(&["prune", "runs", "--keep", "1", "--dry-run"]).exits(0);
    assert!(planned.stdout.contains("would delete: ") && contents(&run.path) == before, "{planned:?}");
    let pruned = place.ablate(&["prune", "runs", "--keep", "1"]).exits(0);
    assert_eq!(planned.stdout.replace("would delete", "deleted"), pruned.stdout);
    let mut expected = vec![5, 16, best, 48];
    expected.sort_unstable();
    expected.dedup();
    assert_eq!(run.checkpoints(), expected);
    let checked = place.ablate(&["check", "runs"]).exits(0);
    assert!(checked.stdout.ends_with(": nothing is damaged\n"), "{}", checked.stdout);
    let again = place.ablate(&["prune", path(&run)]).exits(0);
    assert_eq!(again.stdout, "deleted 0 checkpoints, 0 bytes (0 MiB)\n");
}

#[test]
fn a_run_at_work_is_checked_undisturbed_and_never_pruned() {
    let place = tiny("");
    let running = Background::start(&place, &["run", "x.toml", "-s", "training.steps=2000"]);
    wait_for("a checkpoint", PATIENCE, || {
        runs_of(&place).first().filter(|run| !run.checkpoints().is_empty()).map(drop)
    });
    for _ in 0..5 {
        let checked = place.ablate(&["check", "runs", "--json"]).exits(0).json();
        assert_eq!((&checked["damaged"], &checked["findings"]), (&0.into(), &serde_json::json!([])));
    }
    let pruned = place.ablate(&["prune", "runs", "--keep", "1"]).exits(4);
    let worker = workers_of(running.pid())[0];
    assert!(pruned.stdout.contains(&format!("by process {worker} on ")), "{}", pruned.stdout);
    assert!(pruned.stdout.ends_with("deleted 0 checkpoints, 0 bytes (0 MiB)\n"), "{}", pruned.stdout);
    let extended = place.ablate(&["extend", path(&only_run(&place)), "--steps", "3000"]).exits(4);
    assert!(extended.stderr.contains("is in use by process"), "{}", extended.stderr);
    running.send(Signal::TERM);
    let code = running.wait().code();
    said(&place, code).exits(75);
}

#[test]
fn require_exact_refuses_other_conditions_and_leaves_the_run_as_it_is() {
    let place = tiny("");
    let running = Background::start(&place, &["run", "x.toml"]);
    wait_for("a checkpoint", PATIENCE, || {
        runs_of(&place).first().filter(|run| !run.checkpoints().is_empty()).map(drop)
    });
    running.send(Signal::TERM);
    let code = running.wait().code();
    said(&place, code).exits(75);
    let run = only_run(&place);
    let provenance = run.read("provenance.json");
    fs::write(run.path.join("provenance.json"), provenance.replace("\"libtorch\": \"2", "\"libtorch\": \"1"))
        .unwrap();
    let before = contents(&run.path);
    for command in [&["run", "x.toml", "--require-exact"], &["resume", "runs/x", "--require-exact"]] {
        let refused = place.ablate(command).exits(2);
        assert!(refused.stderr.starts_with("error: 1 of 1 run cannot go on exactly\n"), "{}", refused.stderr);
        assert!(refused.stderr.contains("seed-0: libtorch changed from 1"), "{}", refused.stderr);
        assert!(contents(&run.path) == before, "{command:?} changed the run");
    }
    fs::write(run.path.join("provenance.json"), &provenance).unwrap();
    place.ablate(&["resume", "runs/x", "--require-exact"]).exits(0);
    assert_eq!((run.state().as_str(), run.status().unwrap()["exact"].as_bool()), ("done", Some(true)));
    place.ablate(&["run", "x.toml", "--require-exact"]).exits(0);
}

/// A workplace with a run of the longer number of steps from the start, and that run.
fn from_the_start(steps: u64, more: &str) -> (Workplace, Run) {
    let place = tiny(more);
    place.ablate(&[RUN, &["-s", &format!("training.steps={steps}")]].concat()).exits(0);
    let run = only_run(&place);
    (place, run)
}

#[test]
fn an_extended_run_ends_with_the_bytes_of_a_run_that_was_always_so_long() {
    let (_place, expected) = from_the_start(80, "");
    let place = tiny("");
    place.ablate(RUN).exits(0);
    let short = only_run(&place);
    let before = contents(&short.path);
    let extended = place.ablate(&["extend", path(&short), "--steps", "80"]).exits(0);
    assert!(extended.stdout.contains("_steps80-") || extended.stdout.contains("steps80-"), "{extended:?}");
    assert!(extended.stdout.contains(&format!("goes on from step {STEPS} of ")), "{}", extended.stdout);
    let long = of_steps(&place, 80);
    // The same identity, and so the same id, as the run from the start.
    let id = |run: &Run| run.path.parent().unwrap().to_str().unwrap().rsplit('-').next().unwrap().to_owned();
    assert_eq!(id(&long), id(&expected));
    long.assert_equals(&expected.bytes(), "extended");
    assert_eq!((long.state().as_str(), long.status().unwrap()["exact"].as_bool()), ("done", Some(true)));
    assert!(contents(&short.path) == before_but_lock(before, &short.path), "the original was touched");
    let provenance: serde_json::Value = serde_json::from_str(&long.read("provenance.json")).unwrap();
    assert_eq!(provenance["extended_from"]["step"], STEPS);

    let status = place.ablate(&["status", "runs/x", "--json"]).exits(0).json();
    assert_eq!(status["counts"]["done"], 2, "{status}");
    let compared = place.ablate(&["compare", "runs/x", "--format", "json"]).exits(0).json();
    assert_eq!(compared["rows"].as_array().unwrap().len(), 2);
    let checked = place.ablate(&["check", "runs"]).exits(0);
    assert!(checked.stdout.starts_with("2 runs, "), "{}", checked.stdout);
    let again = place.ablate(&["extend", path(&short), "--steps", "80"]).exits(0);
    assert!(again.stdout.contains("1 run: 1 done"), "{}", again.stdout);
}

/// The lock names who looked last.
fn before_but_lock(before: Vec<(String, Vec<u8>)>, run: &Path) -> Vec<(String, Vec<u8>)> {
    let lock = |name: &str| name == ".lock";
    let now = |name: &str| fs::read(run.join(name)).unwrap();
    before
        .into_iter()
        .map(|(name, bytes)| if lock(&name) { (name.clone(), now(&name)) } else { (name, bytes) })
        .collect()
}

#[test]
fn a_last_step_that_was_not_due_is_left_out_of_an_extension() {
    if Tier::asked().leaves_out(Tier::Standard, "extending a run whose last step was not due") {
        return;
    }
    // 48 is no multiple of 20: the short run was evaluated there because it ended.
    let more = ["-s", "evaluation.every=20", "-s", "sampling.every=20"];
    let longer = tiny("");
    longer.ablate(&[RUN, &more[..], &["-s", "training.steps=70"]].concat()).exits(0);
    let place = tiny("");
    place.ablate(&[RUN, &more[..]].concat()).exits(0);
    let extended = place.ablate(&["extend", path(&only_run(&place)), "--steps", "70"]).exits(0);
    assert!(extended.stdout.contains("goes on from step 40 of "), "{}", extended.stdout);
    assert!(extended.stderr.contains("note: step 48 is the last of "), "{}", extended.stderr);
    of_steps(&place, 70).assert_equals(&only_run(&longer).bytes(), "extended from before the end");
}

#[test]
fn an_extension_is_killed_at_any_moment_and_goes_on() {
    let (_place, expected) = from_the_start(80, "");
    for case in 0..Tier::asked().pick(1, 4, 30) {
        let place = tiny("");
        place.ablate(RUN).exits(0);
        let arguments = ["extend", path(&only_run(&place)), "--steps", "80"].map(str::to_owned);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let mut running = Background::start(&place, &arguments);
        // Copying takes the first milliseconds after the libraries are loaded; training the rest.
        std::thread::sleep(std::time::Duration::from_millis(60 + 60 * case));
        if !running.has_ended() {
            workers_of(running.pid()).into_iter().for_each(|worker| send(worker, Signal::KILL));
            running.send(Signal::KILL);
        }
        running.wait();
        place.ablate(&arguments).exits(0);
        of_steps(&place, 80).assert_equals(&expected.bytes(), &format!("case {case}"));
        assert!(!place.path("runs/x/.extend-new").exists());
    }
}

#[test]
fn what_cannot_be_extended_is_refused_with_the_reason_and_nothing_is_written() {
    let place = tiny("");
    let steps = ["-s", "training.steps=2"];
    place.ablate(&[RUN, &steps[..], &["-s", "training.lr_schedule=cosine"]].concat()).exits(0);
    let cosine = only_run(&place);
    let before = contents(&place.path("runs"));
    let refusals = [
        (vec!["extend", path(&cosine), "--steps", "9"], "its learning rate falls to 0 at its last step"),
        (vec!["extend", "runs/x", "--steps", "9"], "is not a run folder"),
        (vec!["extend", "nowhere", "--steps", "9"], "nowhere"),
    ];
    for (arguments, reason) in refusals {
        let refused = place.ablate(&arguments).exits(2);
        assert!(refused.stderr.contains(reason), "{}", refused.stderr);
    }
    assert!(contents(&place.path("runs")) == before);
    place.ablate(&["check", "nowhere"]).exits(2);
    place.ablate(&["prune", "nowhere"]).exits(2);
}
