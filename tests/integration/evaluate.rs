//! `ablate eval`: a checkpoint measured again, beside what training measured.

use serde_json::Value;

use crate::support::training::{Run, only_run, tiny};
use crate::support::{Ran, Workplace};

fn trained() -> (Workplace, Run) {
    let place = tiny("");
    place.ablate(&["run", "x.toml", "--quiet"]).exits(0);
    let run = only_run(&place);
    (place, run)
}

fn eval(place: &Workplace, run: &Run, more: &[&str]) -> Ran {
    place.ablate(&[&["eval", run.path.to_str().unwrap()], more].concat())
}

/// Rows of a CSV as maps from column to cell.
fn rows(text: &str) -> Vec<serde_json::Map<String, Value>> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    reader
        .deserialize::<std::collections::BTreeMap<String, String>>()
        .map(|row| row.unwrap().into_iter().map(|(name, cell)| (name, Value::from(cell))).collect())
        .collect()
}

#[test]
fn the_loss_of_the_same_images_is_what_training_measured() {
    let (place, run) = trained();
    let recorded = rows(&run.read("eval.csv"));
    let last = recorded.iter().rfind(|row| row["weights"] == "raw").unwrap();
    let images = last["images"].as_str().unwrap();
    let asked = ["--split", "val", "--images", images, "--weights", "raw", "--metrics", "loss", "--json"];
    let answer: Value = serde_json::from_str(&eval(&place, &run, &asked).exits(0).stdout).unwrap();
    let loss: f64 = last["loss"].as_str().unwrap().parse().unwrap();
    assert_eq!(answer["rows"][0]["loss"].as_f64(), Some(loss));
    assert_eq!((&answer["split"], answer["images"].to_string().as_str()), (&Value::from("val"), images));
}

#[test]
fn each_way_of_asking_has_its_file_and_asking_again_writes_the_same_bytes() {
    let (place, run) = trained();
    let all = [
        "--images",
        "8",
        "--weights",
        "ema,raw",
        "--metrics",
        "denoise_score,denoise_bits,loss,bits_per_dim",
    ];
    let said = eval(&place, &run, &all).exits(0);
    assert!(
        said.stdout.contains("8 images of test") && said.stdout.contains("bits_per_dim is that of the chain")
    );
    assert!(said.stderr.contains("bits_per_dim asks the network"), "{}", said.stderr);
    let files = || {
        let entries = std::fs::read_dir(run.path.join("evals")).unwrap().map(|entry| entry.unwrap().path());
        let mut files: Vec<_> = entries.map(|path| (path.clone(), std::fs::read(path).unwrap())).collect();
        files.sort();
        files
    };
    let first = files();
    assert_eq!(first.len(), 5, "settings, scores, levels, images and a lock: {first:?}");
    // What was not asked for this time stays.
    eval(&place, &run, &["--images", "8", "--weights", "raw"]).exits(0);
    assert_eq!(files(), first);
    eval(&place, &run, &["--images", "9"]).exits(0);
    assert_eq!(files().len(), 9);
    let (scores, _) = first
        .iter()
        .find(|(path, _)| {
            let name = path.file_name().unwrap().to_string_lossy();
            name.ends_with(".csv") && name.matches('.').count() == 1
        })
        .unwrap();
    let found = rows(&std::fs::read_to_string(scores).unwrap());
    let number = |row: usize, name: &str| found[row][name].as_str().unwrap().parse::<f64>().unwrap();
    assert_eq!((found.len(), &found[1]["weights"]), (2, &Value::from("raw")));
    assert!((0..2).all(|row| {
        let parts = number(row, "prior_bits") + number(row, "decoder_bits");
        parts > 0.0 && number(row, "bits_per_dim") > parts
    }));
    // The run is what it was.
    let checked = place.ablate(&["check", "runs"]).exits(0);
    assert!(checked.stdout.ends_with("nothing is damaged\n"), "{}", checked.stdout);
    assert!(!place.ablate(&["run", "x.toml"]).exits(0).stderr.contains("start  "));
}

#[test]
fn what_cannot_be_evaluated_is_refused_with_what_to_do() {
    let (place, run) = trained();
    let refused = eval(&place, &run, &["--weights", "ema-0.123"]).exits(2);
    assert!(refused.stderr.contains("this run has no such weights") && refused.stderr.contains("or raw"));
    let refused = eval(&place, &run, &["--at", "step=7"]).exits(2);
    assert!(refused.stderr.contains("no checkpoint of step 7 is kept"), "{}", refused.stderr);
    place.ablate(&["eval", "runs"]).exits(2);
    let provenance = run.read("provenance.json");
    let recorded: Value = serde_json::from_str(&provenance).unwrap();
    let fingerprint = recorded["attempts"][0]["data_fingerprint"].as_str().unwrap();
    let other = format!("{}0", &fingerprint[..fingerprint.len() - 1]);
    let other =
        if other == fingerprint { format!("{}1", &fingerprint[..fingerprint.len() - 1]) } else { other };
    std::fs::write(run.path.join("provenance.json"), provenance.replace(fingerprint, &other)).unwrap();
    let refused = eval(&place, &run, &[]).exits(2);
    assert!(
        refused.stderr.contains("the data of") && refused.stderr.contains("changed"),
        "{}",
        refused.stderr
    );
    assert!(!run.path.join("evals").exists(), "nothing is written");
}
