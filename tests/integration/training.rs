//! What training leaves under settings beside the usual: averages, first weights, metrics, a run that diverges, and
//! networks of every depth.

use std::collections::BTreeSet;
use std::fs;

use safetensors::SafeTensors;
use serde_json::json;

use crate::support::Workplace;
use crate::support::training::{Run, TINY, only_run, runs_of, tiny};

/// Runs the experiment with settings laid over it; it must end well.
#[track_caller]
fn train(place: &Workplace, settings: &[&str]) {
    let settings = settings.iter().flat_map(|setting| ["-s", setting]);
    let arguments: Vec<&str> = ["run", "x.toml", "--quiet"].into_iter().chain(settings).collect();
    place.ablate(&arguments).exits(0);
}

/// Cells of a column.
fn texts(run: &Run, file: &str, column: &str) -> Vec<String> {
    let text = run.read(file);
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let index = reader.headers().unwrap().iter().position(|header| header == column).unwrap();
    reader.records().map(|record| record.unwrap()[index].to_owned()).collect()
}

/// All values of a file of the newest checkpoint.
fn values(run: &Run, stem: &str) -> Vec<f32> {
    let newest = run.checkpoints().pop().unwrap();
    let bytes = fs::read(run.path.join(format!("checkpoints/step-{newest:08}/{stem}.safetensors"))).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let mut tensors: Vec<_> = file.iter().collect();
    tensors.sort_by_key(|(name, _)| *name);
    let bytes = tensors.into_iter().flat_map(|(_, view)| view.data().chunks_exact(4));
    bytes.map(|four| f32::from_le_bytes(four.try_into().unwrap())).collect()
}

/// Every cell of every log is a finite number, a name or empty.
#[track_caller]
fn assert_finite(run: &Run) {
    for file in ["metrics.csv", "timing.csv", "eval.csv", "levels.csv", "images.csv"] {
        let text = run.read(file);
        for cell in text.lines().skip(1).flat_map(|line| line.split(',')) {
            let finite = cell.parse::<f64>().map_or(true, f64::is_finite);
            assert!(finite, "{file} has {cell}:\n{text}");
        }
    }
    for step in run.checkpoints() {
        let folder = run.path.join(format!("checkpoints/step-{step:08}"));
        for entry in fs::read_dir(folder).unwrap().flatten() {
            let bytes = fs::read(entry.path()).unwrap();
            let Ok(file) = SafeTensors::deserialize(&bytes) else { continue };
            let words = file.iter().flat_map(|(_, view)| view.data().chunks_exact(4));
            let mut numbers = words.map(|four| f32::from_le_bytes(four.try_into().unwrap()));
            assert!(numbers.all(f32::is_finite), "{}", entry.path().display());
        }
    }
}

#[test]
fn averages_stand_side_by_side_in_checkpoints_and_logs() {
    let place = tiny("[ema]\ndecay = [0.9, 0.5]\n");
    train(&place, &[]);
    let run = only_run(&place);
    let rows = texts(&run, "eval.csv", "weights");
    assert_eq!(rows, ["ema-0.5", "ema-0.9", "raw"].repeat(3), "rising by name within a step");
    assert_eq!(
        texts(&run, "levels.csv", "weights").into_iter().collect::<BTreeSet<_>>(),
        BTreeSet::from_iter(rows)
    );
    // Warm-up: (1 + n)/(10 + n) until it meets the first track's decay.
    let decays = run.column("metrics.csv", "ema_decay");
    assert_eq!((decays[0], decays[47]), (2.0 / 11.0, 49.0 / 58.0));

    // A track is what it is alone, whatever stands beside it and in which order.
    let alone = tiny("[ema]\ndecay = 0.5\n");
    train(&alone, &[]);
    let alone = only_run(&alone);
    assert!(values(&run, "ema-0.5") == values(&alone, "ema"));
    assert!(values(&run, "model") == values(&alone, "model"));
    assert!(values(&run, "ema") != values(&alone, "ema"));

    // The first is the one that ranks.
    let compared = place.ablate(&["compare", "runs/x", "--format", "json"]).exits(0).json();
    let ranked = compared["rows"][0]["mean"].as_f64().unwrap();
    let scores = run.column("eval.csv", "denoise_score");
    assert_eq!(ranked, scores[7], "ema is ema-0.9");
    let best = fs::read_to_string(run.path.join("checkpoints/step-00000048/manifest.json")).unwrap();
    let best: serde_json::Value = serde_json::from_str(&best).unwrap();
    let lowest = [1, 4, 7].map(|row| scores[row]).into_iter().fold(f64::INFINITY, f64::min);
    assert_eq!(best["best"]["value"], json!(lowest));
    assert_eq!(best["best"]["metric"], json!("denoise_score"));

    // Each can be sampled from by name.
    let folder = run.path.to_str().unwrap();
    let draw = |weights: &str| {
        let file = format!("{weights}.png");
        place.ablate(&["sample", folder, "-n", "4", "--weights", weights, "-o", &file]).exits(0);
        fs::read(place.path(file)).unwrap()
    };
    let images = ["ema-0.9", "ema-0.5", "raw"].map(draw);
    assert_eq!(draw("ema"), images[0]);
    assert!(images[0] != images[1] && images[1] != images[2]);
    let refused = place.ablate(&["sample", folder, "--weights", "ema-0.7"]).exits(2);
    assert_eq!(
        refused.stderr,
        "error: --weights ema-0.7: this run has no such weights\n  \
         help: use ema (that is ema-0.9), ema-0.5 or raw\n"
    );
}

#[test]
fn several_averages_resume_exactly() {
    let text = "[ema]\nkind = \"power\"\nsigma_rel = [0.1, 0.05]\nevery = 2\n";
    let whole = tiny(text);
    train(&whole, &[]);
    let expected = only_run(&whole);
    let decays = expected.column("metrics.csv", "ema_decay");
    assert_eq!(decays[0], 0.0, "the first step forgets everything");
    assert!((decays[47] - (1.0_f64 - 1.0 / 48.0).powf(7.94)).abs() < 1e-3);

    let place = tiny(text);
    train(&place, &["checkpoint.every=8"]);
    let run = only_run(&place);
    // Back to an earlier checkpoint, as after a kill.
    for step in run.checkpoints().into_iter().filter(|step| *step == 48) {
        fs::remove_dir_all(run.path.join(format!("checkpoints/step-{step:08}"))).unwrap();
    }
    let status = run.read("status.json").replace("\"done\"", "\"interrupted\"");
    fs::write(run.path.join("status.json"), status).unwrap();
    train(&place, &[]);
    assert_eq!(run.attempt(), 2);
    run.assert_equals(&expected.bytes(), "resumed from an earlier checkpoint");
}

#[test]
fn training_starts_from_the_weights_it_is_given() {
    let place = tiny("");
    train(&place, &["training.steps=16"]);
    let source = only_run(&place);
    let folder = source.path.to_str().unwrap().to_owned();
    let newest = format!("{folder}/checkpoints/step-00000016");
    let hash = blake3::hash(&fs::read(format!("{newest}/ema.safetensors")).unwrap()).to_hex().to_string();

    // A relative path, from the folder of the command; a rate of nearly nothing keeps the weights.
    let relative = source.path.strip_prefix(place.path("").canonicalize().unwrap());
    let relative = relative.unwrap_or(&source.path).display();
    let still = ["training.steps=1", "training.learning_rate=1e-30", "training.weight_decay=0"];
    train(&place, &[&still[..], &[&format!("training.initial_weights={relative}")]].concat());
    let find = |hash: &str| {
        let mut started = runs_of(&place).into_iter().filter(|run| run.read("config.toml").contains(hash));
        (started.next().unwrap(), started.count())
    };
    let (started, others) = find(&hash);
    assert_eq!(others, 0);
    let given = values(&source, "ema");
    assert!(values(&started, "model") == given && given != values(&source, "model"));
    // An average of equal numbers is that number, but for rounding.
    assert!(values(&started, "ema").iter().zip(&given).all(|(a, b)| (a - b).abs() <= 1e-6 * b.abs()));
    let config: toml::Table = started.read("config.toml").parse().unwrap();
    let path = config["training"]["initial_weights"].as_str().unwrap();
    assert_eq!(
        fs::canonicalize(path).unwrap(),
        fs::canonicalize(format!("{newest}/ema.safetensors")).unwrap()
    );
    assert!(path.starts_with('/'));

    // The same weights by another path are the same variant: nothing is trained again.
    train(&place, &[&still[..], &[&format!("training.initial_weights={newest}/ema.safetensors")]].concat());
    assert_eq!((runs_of(&place).len(), started.attempt()), (2, 1));

    // The raw weights are another.
    train(&place, &[&still[..], &[&format!("training.initial_weights={newest}/model.safetensors")]].concat());
    assert_eq!(runs_of(&place).len(), 3);
}

#[test]
fn weights_that_changed_after_the_plan_fail_the_run_until_it_has_a_checkpoint() {
    let place = tiny("");
    train(&place, &["training.steps=8"]);
    let source = only_run(&place);
    let weights = place.path("weights.safetensors");
    fs::copy(source.path.join("checkpoints/step-00000008/ema.safetensors"), &weights).unwrap();
    train(&place, &["training.initial_weights=weights.safetensors"]);
    let run = runs_of(&place).into_iter().find(|run| run.path != source.path).unwrap();
    let interrupt = || {
        let mut status = run.status().unwrap();
        status["state"] = json!("interrupted");
        fs::write(run.path.join("status.json"), status.to_string()).unwrap();
    };
    fs::copy(source.path.join("checkpoints/step-00000008/model.safetensors"), &weights).unwrap();

    // A checkpoint stands for itself.
    fs::remove_dir_all(run.path.join("checkpoints/step-00000048")).unwrap();
    interrupt();
    let folder = run.path.to_str().unwrap();
    place.ablate(&["resume", folder]).exits(0);

    // Without one the first weights are needed again, and they are others now.
    fs::remove_dir_all(run.path.join("checkpoints")).unwrap();
    interrupt();
    place.ablate(&["resume", folder]).exits(1);
    let error = run.status().unwrap()["error"].as_str().unwrap().to_owned();
    assert!(
        error.contains("weights.safetensors has the BLAKE3 hash ") && error.contains("; restore the file")
    );
    fs::remove_file(&weights).unwrap();
    interrupt();
    place.ablate(&["resume", folder]).exits(1);
    let error = run.status().unwrap()["error"].as_str().unwrap().to_owned();
    assert!(error.contains("weights.safetensors does not exist"), "{error}");
}

#[test]
fn weights_of_another_network_are_refused_before_anything_is_trained() {
    let place = tiny("");
    train(&place, &["training.steps=8"]);
    let folder = only_run(&place).path.to_str().unwrap().to_owned();
    let from = format!("training.initial_weights={folder}");
    let refused = place.ablate(&["run", "x.toml", "-s", "model.base_channels=16", "-s", &from]).exits(2);
    assert!(
        refused.stderr.contains(
            "ema.safetensors does not fit the network: tensor conv_in.weight is [8, 1, 3, 3], the network's is \
             [16, 1, 3, 3]\n"
        ),
        "{}",
        refused.stderr
    );
    assert_eq!(runs_of(&place).len(), 1, "nothing was laid out");
    let missing = place.ablate(&["plan", "x.toml", "-s", "training.initial_weights=nowhere"]).exits(2);
    assert!(missing.stderr.contains("nowhere does not exist"), "{}", missing.stderr);
}

#[test]
fn only_the_metrics_asked_for_are_measured() {
    let columns = |metrics: &str| {
        let place = tiny("");
        train(&place, &[&format!("evaluation.metrics={metrics}")]);
        let run = only_run(&place);
        let filled = ["loss", "denoise_score", "denoise_bits"]
            .map(|column| texts(&run, "eval.csv", column).iter().all(|cell| !cell.is_empty()));
        let empty = ["loss", "denoise_score", "denoise_bits"]
            .map(|column| texts(&run, "eval.csv", column).iter().all(String::is_empty));
        assert!(filled.iter().zip(empty).all(|(filled, empty)| *filled != empty));
        let manifest = fs::read_to_string(run.path.join("checkpoints/step-00000048/manifest.json")).unwrap();
        let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
        let best = manifest["best"]["metric"].as_str().unwrap().to_owned();
        (filled, !texts(&run, "levels.csv", "k").is_empty(), best)
    };
    assert_eq!(columns("[\"loss\"]"), ([true, false, false], false, "loss".to_owned()));
    assert_eq!(columns("[\"denoise_bits\"]"), ([false, false, true], true, "denoise_bits".to_owned()));
    assert_eq!(
        columns("[\"loss\", \"denoise_score\"]"),
        ([true, true, false], true, "denoise_score".to_owned())
    );
}

#[test]
fn a_run_that_diverges_leaves_nothing_that_is_not_finite() {
    // Checkpoints and rows at every step, so that the first bad one would show.
    let often = TINY
        .replace("warmup_steps = 10", "warmup_steps = 10\ngrad_clip = 0")
        .replace("[checkpoint]\nevery = 8", "[checkpoint]\nevery = 1")
        .replace("[evaluation]\nevery = 16", "[evaluation]\nevery = 1")
        .replace("steps = 48", "steps = 12");
    let sweep = "[sweep.grid]\n\"training.learning_rate\" = [1e30, 1e-4]\n";
    let place = Workplace::with("x.toml", &format!("{often}{sweep}"));
    let ran = place.ablate(&["run", "x.toml"]).exits(1);
    assert!(ran.stdout.starts_with("2 runs: 1 done, 1 failed\n"), "{}", ran.stdout);
    let runs = runs_of(&place);
    let bad = runs.iter().find(|run| run.state() == "diverged").expect("one diverged");
    for run in &runs {
        assert_finite(run);
    }
    let status = bad.status().unwrap();
    let error = status["error"].as_str().unwrap();
    assert!(error.contains(" is not finite at step ") && error.contains("; first bad tensor: "), "{error}");
    let step = status["step"].as_u64().unwrap();
    assert!(bad.checkpoints().iter().all(|saved| *saved <= step), "{:?} at {step}", bad.checkpoints());
}

#[test]
fn a_run_that_diverges_between_checkpoints_keeps_the_last_good_one() {
    // Weight decay this strong multiplies the weights by -1.5 at every step: they overflow late, between rows.
    let settings = [
        "training.learning_rate=1e-3",
        "training.weight_decay=2500",
        "training.warmup_steps=0",
        "training.steps=1000",
        "training.log_every=1000",
        "sampling.every=0",
        "evaluation.every=0",
    ];
    let settings = settings.iter().flat_map(|setting| ["-s", *setting]);
    let again: Vec<&str> = ["run", "x.toml"].into_iter().chain(settings).collect();
    let place = tiny("");
    place.ablate(&again).exits(1);
    let run = only_run(&place);
    assert_eq!(run.state(), "diverged");
    assert_finite(&run);
    let step = run.status().unwrap()["step"].as_u64().unwrap();
    let kept = run.checkpoints();
    assert!(kept.iter().any(|saved| *saved < step && step - saved <= 8), "{kept:?} at {step}");

    // Tried again on request alone; from the last good checkpoint it ends at the same step.
    place.ablate(&again).exits(1);
    assert_eq!(run.attempt(), 1);
    let before = run.status().unwrap()["error"].clone();
    place.ablate(&[&again[..], &["--retry-failed"]].concat()).exits(1);
    assert_eq!((run.attempt(), &run.status().unwrap()["error"]), (2, &before));
}

#[test]
fn networks_of_one_to_six_levels_train() {
    let text = TINY
        .replace("image_size = 8", "image_size = 64")
        .replace("attention_resolutions = [4]", "attention_resolutions = []")
        .replace("batch_size = 8", "batch_size = 2")
        .replace("steps = 48", "steps = 1")
        .replace("images = 16", "images = 4");
    let sweep = "[sweep.grid]\n\"model.channel_multipliers\" = [[1], [1, 1], [1, 1, 2], [1, 1, 1, 2], \
                 [1, 1, 1, 1, 2], [1, 1, 1, 1, 2, 2]]\n";
    let place = Workplace::with("x.toml", &format!("{text}{sweep}"));
    train(&place, &["sampling.every=0", "evaluation.metrics=[\"loss\"]"]);
    let runs = runs_of(&place);
    assert_eq!(runs.len(), 6);
    for run in runs {
        assert_eq!(run.checkpoints(), [1]);
        assert_finite(&run);
    }
}

#[test]
fn images_need_not_be_a_power_of_two_wide() {
    let place = tiny("");
    let settings = [
        "data.image_size=28",
        "model.channel_multipliers=[1, 1, 2]",
        "model.attention_resolutions=[14, 7]",
        "training.steps=2",
        "sampling.every=2",
    ];
    train(&place, &settings);
    let run = only_run(&place);
    assert_finite(&run);
    assert!(run.path.join("samples/step-00000002.png").is_file());
    let refused = place.ablate(&[
        "plan",
        "x.toml",
        "-s",
        "data.image_size=30",
        "-s",
        "model.channel_multipliers=[1, 1, 2]",
    ]);
    assert!(refused.exits(2).stderr.contains("data.image_size = 30"));
}

#[test]
fn first_weights_that_are_no_numbers_end_as_diverged_at_the_first_step() {
    let place = tiny("");
    train(&place, &["training.steps=8"]);
    let source = only_run(&place);
    let mut weights = fs::read(source.path.join("checkpoints/step-00000008/model.safetensors")).unwrap();
    let last = weights.len() - 4;
    weights[last..].copy_from_slice(&f32::NAN.to_le_bytes());
    place.write("weights.safetensors", weights);
    let ran = place.ablate(&["run", "x.toml", "-s", "training.initial_weights=weights.safetensors"]).exits(1);
    let run = runs_of(&place).into_iter().find(|run| run.path != source.path).unwrap();
    assert_eq!((run.state().as_str(), run.checkpoints().len()), ("diverged", 0), "{}", ran.stderr);
    assert!(ran.stderr.contains("not finite") && ran.stderr.contains("step 1"), "{}", ran.stderr);
}
