//! T8 through the real program: a run with damaged files is found out by `check`, and then goes on to the right
//! bytes, or stops and names the file.

use std::collections::BTreeMap;
use std::fs;
use std::sync::OnceLock;

use rustix::process::Signal;

use crate::support::Workplace;
use crate::support::processes::{Background, PATIENCE, said, wait_for};
use crate::support::tier::Tier;
use crate::support::training::{Run, only_run, runs_of, tiny};

fn reference() -> &'static BTreeMap<String, Vec<u8>> {
    static REFERENCE: OnceLock<BTreeMap<String, Vec<u8>>> = OnceLock::new();
    REFERENCE.get_or_init(|| {
        let place = tiny("");
        place.ablate(&["run", "x.toml", "--quiet"]).exits(0);
        only_run(&place).bytes()
    })
}

/// A run that was stopped with at least two checkpoints.
fn stopped() -> (Workplace, Run) {
    let place = tiny("");
    let running = Background::start(&place, &["run", "x.toml"]);
    wait_for("two checkpoints", PATIENCE, || {
        runs_of(&place).first().filter(|run| run.checkpoints().len() > 1).map(drop)
    });
    running.send(Signal::TERM);
    let code = running.wait().code();
    said(&place, code).exits(75);
    let run = only_run(&place);
    (place, run)
}

/// Flips the lowest bit in the middle of a file.
fn flip(run: &Run, file: &str) {
    let path = run.path.join(file);
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(path, bytes).unwrap();
}

fn out_of_tier() -> bool {
    Tier::asked().leaves_out(Tier::Standard, "damaged files through the program")
}

#[test]
fn damage_that_can_be_mended_ends_with_the_same_bytes() {
    if out_of_tier() {
        return;
    }
    let newest = |run: &Run| format!("checkpoints/step-{:08}", run.checkpoints().last().unwrap());
    type Damage<'d> = (&'d str, &'d dyn Fn(&Run), &'d str);
    let cases: [Damage<'_>; 6] = [
        (
            "progress",
            &|run| flip(run, &format!("{}/progress.json", newest(run))),
            "a resume falls back to step",
        ),
        (
            "all checkpoints",
            &|run| {
                run.checkpoints()
                    .iter()
                    .for_each(|step| flip(run, &format!("checkpoints/step-{step:08}/ema.safetensors")));
            },
            "a resume begins again at step 0",
        ),
        (
            "status",
            &|run| fs::write(run.path.join("status.json"), "{\"format\": 1").unwrap(),
            "the next attempt writes it",
        ),
        (
            "execution",
            &|run| fs::write(run.path.join("execution.json"), "\u{0}\u{0}").unwrap(),
            "chooses anew",
        ),
        ("config", &|run| fs::write(run.path.join("config.toml"), "[data").unwrap(), "writes it again"),
        (
            "config of another",
            &|run| {
                let text = run.read("config.toml").replace("batch_size = 8", "batch_size = 16");
                fs::write(run.path.join("config.toml"), text).unwrap();
            },
            "writes it again",
        ),
    ];
    for (what, damage, told) in cases {
        let (place, run) = stopped();
        damage(&run);
        let checked = place.ablate(&["check", "runs"]).exits(1);
        assert!(
            checked.stdout.contains("damaged: ") && checked.stdout.contains(told),
            "{what}: {}",
            checked.stdout
        );
        if what == "config of another" {
            let refused = place.ablate(&["run", "x.toml"]).exits(2);
            assert!(refused.stderr.contains("config.toml holds another configuration"), "{}", refused.stderr);
            fs::remove_file(run.path.join("config.toml")).unwrap();
        }
        place.ablate(&["run", "x.toml"]).exits(0);
        run.assert_equals(reference(), what);
        let checked = place.ablate(&["check", "runs"]).exits(0);
        assert!(checked.stdout.ends_with("nothing is damaged\n"), "{what}: {}", checked.stdout);
    }
}

#[test]
fn damage_that_cannot_be_mended_stops_the_run_and_names_the_file() {
    if out_of_tier() {
        return;
    }
    let cases =
        [("metrics.csv", "metrics.csv does not hold"), ("provenance.json", "provenance.json is damaged")];
    for (file, told) in cases {
        let (place, run) = stopped();
        let good = run.read(file);
        let spoilt = good.replacen("epoch", "epocH", 1).replacen("\"attempts\"", "\"attempts", 1);
        assert_ne!(good, spoilt);
        fs::write(run.path.join(file), spoilt).unwrap();
        let checked = place.ablate(&["check", "runs"]).exits(1);
        assert!(checked.stdout.contains(file), "{}", checked.stdout);
        let failed = place.ablate(&["run", "x.toml"]).exits(1);
        let named = failed.stderr.contains(told) || failed.stderr.contains("metrics.csv has the header");
        assert!(named, "{}", failed.stderr);
        fs::write(run.path.join(file), good).unwrap();
        place.ablate(&["run", "x.toml", "--retry-failed"]).exits(0);
        run.assert_equals(reference(), file);
    }
}

#[test]
fn a_done_run_whose_last_checkpoint_is_damaged_is_not_called_good() {
    if out_of_tier() {
        return;
    }
    let place = tiny("");
    place.ablate(&["run", "x.toml", "--quiet"]).exits(0);
    let run = only_run(&place);
    flip(&run, "checkpoints/step-00000048/model.safetensors");
    let checked = place.ablate(&["check", "runs"]).exits(1);
    assert!(
        checked.stdout.contains("delete status.json, and a resume trains again from step 4"),
        "{}",
        checked.stdout
    );
    fs::remove_file(run.path.join("status.json")).unwrap();
    place.ablate(&["resume", "runs/x"]).exits(0);
    run.assert_equals(reference(), "trained again");
}
