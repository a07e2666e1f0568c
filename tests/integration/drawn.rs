//! `ablate eval` of drawn images: held against real ones with a feature extractor and without, kept, compared.

use std::path::PathBuf;

use serde_json::Value;

use crate::support::training::{Run, runs_of, tiny};
use crate::support::{Ran, Workplace};

/// Two variants, two steps each.
const SWEEP: &str = "[sweep.grid]\n\"training.learning_rate\" = [1e-3, 3e-3]\n";
const ALL: &str = "fid,kid,precision,recall,swd";

fn trained() -> (Workplace, Vec<Run>) {
    let place = tiny(SWEEP);
    let short = ["-s", "training.steps=2", "-s", "sampling.every=0", "-s", "evaluation.every=0"];
    place.ablate(&[&["run", "x.toml", "--quiet"], &short[..]].concat()).exits(0);
    let runs = runs_of(&place);
    assert_eq!(runs.len(), 2);
    (place, runs)
}

fn extractor() -> String {
    extractor_file("extractor.pt")
}

/// One that `scripts/peers/features/extractor.py` wrote.
fn extractor_file(name: &str) -> String {
    format!("{}/tests/data/{name}", env!("CARGO_MANIFEST_DIR"))
}

fn eval(place: &Workplace, run: &Run, more: &[&str]) -> Ran {
    place.ablate(&[&["eval", run.path.to_str().unwrap()], more].concat())
}

/// All metrics of 32 images in three steps.
fn measured(place: &Workplace, run: &Run, more: &[&str]) -> Ran {
    let (file, asked) = (extractor(), ["--images", "32", "--metrics", ALL]);
    eval(place, run, &[&asked[..], &["--extractor", &file, "--json"], more].concat())
}

/// Every file of the run's evaluations, with its bytes.
fn kept(run: &Run) -> Vec<(PathBuf, Vec<u8>)> {
    let entries = std::fs::read_dir(run.path.join("evals")).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries.map(|path| (path.clone(), std::fs::read(path).unwrap())).collect();
    files.sort();
    files
}

fn cached(place: &Workplace) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(place.path("data/cache")).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("features-")).collect()
}

#[test]
fn drawn_images_are_measured_once_more_with_the_same_bytes_and_features_from_the_cache() {
    let (place, runs) = trained();
    let first = measured(&place, &runs[0], &["--steps", "3"]).exits(0);
    let asked = "note: drawing asks the network 96 times (32 images x 3 evaluations with ddim): ";
    assert!(first.stderr.contains(asked), "{}", first.stderr);
    assert!(first.stderr.contains("32 real ones unless the cache has"), "{}", first.stderr);
    assert!(
        !first.stderr.contains("are in the cache") && !first.stderr.contains("warning"),
        "{}",
        first.stderr
    );
    let answer: Value = serde_json::from_str(&first.stdout).unwrap();
    let drawn = &answer["drawn"];
    assert_eq!((&drawn["real"], &drawn["drawn"], &answer["split"]), (&32.into(), &32.into(), &"test".into()));
    let row = &drawn["rows"][0];
    let value = |name: &str| row[name].as_f64().unwrap_or_else(|| panic!("{name}: {row}"));
    assert!(value("fid") > 0.0 && value("kid").is_finite() && value("swd") > 0.0);
    assert!(["precision", "recall"].iter().all(|name| (0.0..=1.0).contains(&value(name))));
    assert_eq!(row["swd_bands"], serde_json::json!([{"side": 8, "swd": value("swd")}]));
    assert!(row.get("kid_std").is_none(), "one subset has no deviation: {row}");
    assert_eq!((drawn["files"].as_array().unwrap().len(), cached(&place).len()), (2, 1));

    let files = kept(&runs[0]);
    let names = |end: &str| files.iter().filter(|(path, _)| path.to_string_lossy().ends_with(end)).count();
    assert_eq!((names(".json"), names(".bands.csv"), names(".csv"), files.len()), (2, 1, 3, 6), "{files:?}");
    let again = measured(&place, &runs[0], &["--steps", "3"]).exits(0);
    assert!(again.stderr.contains("the features of the 32 real images are in the cache"), "{}", again.stderr);
    assert_eq!((again.stdout, kept(&runs[0])), (first.stdout.clone(), files.clone()));

    // A damaged file of features is seen, told and mended.
    let path = cached(&place).remove(0);
    let whole = std::fs::read(&path).unwrap();
    let mut damaged = whole.clone();
    *damaged.last_mut().unwrap() ^= 1;
    std::fs::write(&path, damaged).unwrap();
    let mended = measured(&place, &runs[0], &["--steps", "3"]).exits(0);
    assert!(mended.stderr.contains("was unusable (its features are damaged) and is written anew"));
    assert_eq!((mended.stdout, std::fs::read(&path).unwrap() == whole), (first.stdout, true));

    // Fewer images than features.
    let (file, few) = (extractor(), ["--images", "8", "--metrics", "fid", "--steps", "2"]);
    let warned = eval(&place, &runs[0], &[&few[..], &["--extractor", &file]].concat()).exits(0);
    let text = "warning: 8 images are too few for a covariance of 16 features";
    assert!(warned.stderr.contains(text), "{}", warned.stderr);
    assert!(warned.stdout.contains(", 8 drawn images against 8 of test\n"), "{}", warned.stdout);
    assert!(place.ablate(&["check", "runs"]).exits(0).stdout.ends_with("nothing is damaged\n"));
}

#[test]
fn only_what_was_drawn_and_seen_alike_is_put_side_by_side() {
    let (place, runs) = trained();
    let compare = |metric: &str, more: &[&str]| {
        place.ablate(&[&["compare", "runs/x", "--metric", metric, "--format", "json"], more].concat())
    };
    let missing = compare("fid", &[]).exits(2).stderr;
    assert!(missing.contains("ablate eval RUN --split val --metrics fid --extractor FILE.pt"), "{missing}");
    measured(&place, &runs[0], &["--steps", "3"]).exits(0);
    measured(&place, &runs[1], &["--steps", "2"]).exits(0);
    let elsewhere = compare("fid", &[]).exits(2).stderr;
    assert!(elsewhere.contains("it was measured on test: --split test"), "{elsewhere}");
    for metric in ["fid", "swd"] {
        let refused = compare(metric, &["--split", "test"]).exits(2).stderr;
        let reason =
            format!("{metric} is not comparable here: no evaluation is common to all runs: 32 images");
        assert!(refused.contains(&reason), "{refused}");
        assert!(
            refused.contains("sampling.steps 2 in ") && refused.contains("sampling.steps 3 in "),
            "{refused}"
        );
    }
    let resized = ["--steps", "3", "--extractor-size", "16"];
    measured(&place, &runs[1], &resized).exits(0);
    // Pixels are as they are: what the extractor was given makes no difference to them.
    assert_eq!(compare("swd", &["--split", "test"]).exits(0).json()["goal"], "min");
    let refused = compare("recall", &["--split", "test"]).exits(2).stderr;
    assert!(refused.contains("extractor-size 16 in "), "{refused}");
    measured(&place, &runs[1], &["--steps", "3"]).exits(0);
    let compared = compare("recall", &["--split", "test"]).exits(0).json();
    assert_eq!((&compared["goal"], compared["rows"].as_array().unwrap().len()), (&"max".into(), 2));
}

#[test]
fn what_cannot_be_measured_of_drawn_images_is_refused_before_anything_is_drawn() {
    let (place, runs) = trained();
    let (file, uneven) = (extractor(), extractor_file("uneven.pt"));
    let text = place.path("text.pt");
    std::fs::write(&text, "no module").unwrap();
    let text = text.to_str().unwrap();
    let cases: &[(&[&str], &str)] = &[
        (
            &["--metrics", "fid"],
            "fid, kid, precision and recall need a feature extractor\n  help: name a TorchScript",
        ),
        (&["--metrics", "swd", "--extractor", &file], "--extractor is for fid, kid, precision and recall"),
        (
            &["--steps", "5"],
            "--steps is about drawn images, and no metric here is\n  help: add --metrics swd",
        ),
        (&["--seed", "5"], "--seed is about drawn images"),
        (&["--metrics", "kid", "--extractor", "none.pt"], "cannot read the extractor none.pt: No such file"),
        (
            &["--metrics", "kid", "--extractor", text],
            "text.pt is no TorchScript module that this libtorch can load",
        ),
        (
            &["--metrics", "kid", "--extractor", &file, "--extractor-input", "unit", "--images", "4"],
            "extractor.pt failed on 4 images of 3x8x8 (unit): wanted are 8-bit images of 3 channels",
        ),
        (
            &["--metrics", "kid", "--extractor", &uneven, "--images", "40"],
            "uneven.pt gives 24 features for an image where it gave 96 before",
        ),
        (
            &["--metrics", "recall", "--extractor", &file, "--images", "3"],
            "3 images are too few: 4 are needed, since each image's third neighbour is asked for",
        ),
        (&["--metrics", "swd", "--steps", "100000"], "sampling.steps = 100000"),
    ];
    for (asked, expected) in cases {
        let refused = eval(&place, &runs[0], asked).exits(2);
        assert!(refused.stderr.contains(expected), "{asked:?}: {}", refused.stderr);
        let of_extractor = expected.starts_with("extractor.pt") || expected.starts_with("uneven.pt");
        assert!(!refused.stderr.contains("drawing asks") || of_extractor, "{}", refused.stderr);
    }
    assert!(!runs[0].path.join("evals").exists(), "nothing is written");
    assert!(cached(&place).is_empty());
}
