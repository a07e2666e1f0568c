//! The main job: one file becomes trained, resumable, comparable runs; and what one bad run does to the others.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant, SystemTime};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::processes::{Background, PATIENCE, said, send, wait_for, workers_of};
use crate::support::training::{Run, TINY, only_run, runs_of, tiny};
use crate::support::{Workplace, files_below};

const STEPS: u64 = 12;
const SWEEP: &str = r#"
[sweep]
seeds = [0, 1]
[sweep.grid]
"diffusion.noise_schedule" = ["linear", "cosine"]
"model.channel_multipliers" = [[1, 1], [1, 2]]
"#;
/// What a run leaves in its folder.
const RUN_FILES: &[&str] = &[
    ".lock",
    "checkpoints/step-00000006/ema.safetensors",
    "checkpoints/step-00000006/manifest.json",
    "checkpoints/step-00000006/model.safetensors",
    "checkpoints/step-00000006/optimizer.safetensors",
    "checkpoints/step-00000006/progress.json",
    "checkpoints/step-00000012/ema.safetensors",
    "checkpoints/step-00000012/manifest.json",
    "checkpoints/step-00000012/model.safetensors",
    "checkpoints/step-00000012/optimizer.safetensors",
    "checkpoints/step-00000012/progress.json",
    "config.toml",
    "eval.csv",
    "execution.json",
    "images.csv",
    "levels.csv",
    "log.jsonl",
    "metrics.csv",
    "provenance.json",
    "samples/step-00000012.png",
    "status.json",
    "stderr.log",
    "stdout.log",
    "tensorboard/events.out.tfevents.0000000001.ablate",
    "timing.csv",
];

/// [`TINY`] with fewer steps, and more below it.
fn short(more: &str) -> Workplace {
    let mut text = TINY.to_owned();
    for (from, to) in [
        ("steps = 48", "steps = 12"),
        ("every = 8", "every = 6"),
        ("every = 16", "every = 6"),
        ("every = 24", "every = 12"),
        ("log_every = 1", "log_every = 3"),
    ] {
        assert_eq!(text.matches(from).count(), 1, "{from}");
        text = text.replace(from, to);
    }
    Workplace::with("x.toml", &format!("{text}{more}"))
}

fn label(run: &Run) -> String {
    let parts: Vec<&str> = run.path.iter().map(|part| part.to_str().unwrap()).collect();
    parts[parts.len() - 2..].join("/")
}

/// When each run last wrote a row, by label.
fn written(place: &Workplace) -> BTreeMap<String, SystemTime> {
    let modified = |run: &Run| fs::metadata(run.path.join("metrics.csv")).unwrap().modified().unwrap();
    runs_of(place).iter().map(|run| (label(run), modified(run))).collect()
}

fn states(place: &Workplace) -> BTreeMap<String, String> {
    runs_of(place).iter().map(|run| (label(run), run.state())).collect()
}

#[test]
fn one_file_becomes_trained_comparable_runs() {
    let place = short(SWEEP);
    let plan = checks_plan(&place, "planned");
    assert_eq!(place.files(), ["x.toml"], "plan writes nothing");

    let ran = place.ablate(&["run", "x.toml", "--jobs", "2"]).exits(0);
    let said = &ran.stdout;
    assert!(
        said.starts_with("8 runs: 8 done\n\ndenoise_score (held-out, ema weights), lower is better"),
        "{said}"
    );
    assert!(said.ends_with("\nmore: ablate compare runs/x\n"), "{said}");
    assert_eq!(ran.stderr.matches("start  ").count(), 8, "{}", ran.stderr);
    assert_eq!(checks_plan(&place, "done"), plan);

    checks_tree(&place);
    runs_of(&place).iter().for_each(checks_logs);
    checks_summary(&place);
    checks_status(&place);
    checks_compare(&place);
    checks_sample(&place);

    let before = written(&place);
    let again = place.ablate(&["run", "x.toml"]).exits(0);
    assert!(again.stdout.starts_with("8 runs: 8 done\n"), "{}", again.stdout);
    assert!(!again.stderr.contains("start  "), "{}", again.stderr);
    assert_eq!(written(&place), before, "the same command again trains nothing");
    checks_huge_log(&place);
}

/// A log of a gigabyte is left out by name, and the others are compared.
fn checks_huge_log(place: &Workplace) {
    let run = runs_of(place).remove(0);
    let path = run.path.join("eval.csv");
    fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(1 << 30).unwrap();
    let started = Instant::now();
    let ran = place.ablate(&["compare", "runs/x", "--format", "json"]).exits(0);
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    assert_eq!(ran.json()["rows"].as_array().unwrap().len(), 4);
    let note = format!("note: cannot read {}/eval.csv: it is larger than 128 MiB", label(&run));
    assert!(
        ran.stderr.replace(place.path("runs/x/").to_str().unwrap(), "").contains(&note),
        "{}",
        ran.stderr
    );
}

/// The shape of `plan --json`; returns names and ids.
fn checks_plan(place: &Workplace, state: &str) -> Vec<(String, String)> {
    let plan = place.ablate(&["plan", "x.toml", "--json"]).exits(0).json();
    let keys: Vec<&String> = plan.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["excluded", "experiment", "hours", "invalid", "variants"]);
    assert_eq!(
        (&plan["experiment"], &plan["excluded"], &plan["invalid"]),
        (&json!("x"), &json!([]), &json!([]))
    );
    let variants = plan["variants"].as_array().unwrap();
    let overrides: Vec<&Value> = variants.iter().map(|variant| &variant["overrides"]).collect();
    let at = |schedule: &str, multipliers: [u32; 2]| json!({"diffusion.noise_schedule": schedule, "model.channel_multipliers": multipliers});
    let expected = [("linear", [1, 1]), ("linear", [1, 2]), ("cosine", [1, 1]), ("cosine", [1, 2])];
    let expected = expected.map(|(schedule, multipliers)| at(schedule, multipliers));
    assert_eq!(overrides, expected.iter().collect::<Vec<_>>(), "declaration order, last axis fastest");
    let named = variants.iter().map(|variant| {
        let text = |key: &str| variant[key].as_str().unwrap().to_owned();
        assert_eq!(variant["seeds"], json!([0, 1]));
        assert_eq!(variant["state"], json!(state));
        assert_eq!(text("dir"), format!("runs/x/{}", text("name")));
        assert!(text("name").ends_with(&format!("-{}", text("id"))) && text("id").len() == 8);
        assert!(variant["train_flops_per_image"].as_u64().unwrap() > 1_000_000);
        assert!(variant["train_memory_bytes"].as_u64().unwrap() > 1 << 20);
        assert!(variant["fits"] == json!(true) && variant["hours"].is_null());
        (text("name"), text("id"))
    });
    let named: Vec<_> = named.collect();
    assert_eq!(variants[0]["parameters"], json!(18_521));
    assert!(named[0].0.starts_with("linear_cm1-1-") && named[3].0.starts_with("cosine_cm1-2-"), "{named:?}");
    named
}

fn checks_tree(place: &Workplace) {
    let mut expected = vec!["plan.json".to_owned(), "summary.csv".into(), ".lock".into()];
    expected.extend(
        ["00-default.toml", "01-x.toml", "02-s.txt", "request.json"].map(|name| format!("request/{name}")),
    );
    for run in runs_of(place) {
        expected.extend(RUN_FILES.iter().map(|file| format!("{}/{file}", label(&run))));
    }
    let found = files_below(&place.path("runs/x"));
    let without = |all: &[String], others: &[String]| -> Vec<String> {
        all.iter().filter(|name| !others.contains(name)).cloned().collect()
    };
    assert_eq!(without(&expected, &found), [""; 0], "missing");
    assert_eq!(without(&found, &expected), [""; 0], "undocumented");
    assert_eq!(runs_of(place).len(), 8);
    assert_eq!(place.read("runs/x/request/01-x.toml"), place.read("x.toml"), "the request is kept verbatim");
    let plan: Value = serde_json::from_str(&place.read("runs/x/plan.json")).unwrap();
    assert!(plan["variants"].as_array().unwrap().iter().all(|variant| variant["asked"] == json!(true)));
}

/// Columns, steps and plausible numbers of the logs.
fn checks_logs(run: &Run) {
    let headers = [
        (
            "metrics.csv",
            "step,epoch,images,loss,loss_q1,loss_q2,loss_q3,loss_q4,grad_norm,learning_rate,ema_decay",
        ),
        ("timing.csv", "step,seconds,images_per_second,data_wait_seconds,peak_memory_bytes"),
        ("eval.csv", "step,weights,loss,denoise_score,denoise_bits,images"),
        ("levels.csv", "step,weights,k,t,log_snr,eps_mse,x0_mse,n,se"),
        ("images.csv", "step,weights,image,part,loss,denoise_score,denoise_bits"),
    ];
    for (file, header) in headers {
        let text = run.read(file);
        assert!(text.starts_with(&format!("{header}\n")), "{file}: {text}");
        assert!(
            text.ends_with('\n') && !text.contains('\r') && text.matches("step,").count() == 1,
            "{file}: {text}"
        );
    }
    assert_eq!(run.column("metrics.csv", "step"), [3.0, 6.0, 9.0, 12.0]);
    assert_eq!(run.column("metrics.csv", "images"), [24.0, 48.0, 72.0, 96.0]);
    assert_eq!(run.column("timing.csv", "step"), [3.0, 6.0, 9.0, 12.0]);
    assert_eq!(run.column("eval.csv", "step"), [6.0, 6.0, 12.0, 12.0]);
    assert_eq!(run.column("eval.csv", "images"), [16.0; 4]);
    let eval = run.read("eval.csv");
    let weights: Vec<&str> = eval.lines().skip(1).map(|line| line.split(',').nth(1).unwrap()).collect();
    assert_eq!(weights, ["ema-0.999", "raw", "ema-0.999", "raw"], "rising in (step, weights)");
    for column in ["loss", "grad_norm", "learning_rate", "ema_decay"] {
        assert!(run.column("metrics.csv", column).iter().all(|&value| value > 0.0), "{column}");
    }
    let loss = run.column("metrics.csv", "loss");
    assert!(loss[3] < loss[0] && loss[0] < 2.0, "the loss falls from about 1: {loss:?}");
    assert!(run.column("eval.csv", "denoise_score").iter().all(|&score| score > 0.0));
    let images = run.column("images.csv", "denoise_score");
    for (evaluation, score) in run.column("eval.csv", "denoise_score").into_iter().enumerate() {
        let mean = images[evaluation * 16..][..16].iter().sum::<f64>() / 16.0;
        assert!((mean / score - 1.0).abs() < 1e-12, "{mean} is not {score}");
    }
    let levels = run.column("levels.csv", "step").len();
    assert!(levels > 4 && levels.is_multiple_of(4), "{levels} rows");
    for file in ["status.json", "provenance.json", "execution.json"] {
        let _: Value = serde_json::from_str(&run.read(file)).unwrap();
    }
    let status = run.status().unwrap();
    assert_eq!((&status["state"], &status["attempt"]), (&json!("done"), &json!(1)));
    assert_eq!((&status["step"], &status["total_steps"]), (&json!(STEPS), &json!(STEPS)));
    assert_eq!(run.read("stderr.log"), "");
    assert!(run.read("log.jsonl").lines().all(|line| serde_json::from_str::<Value>(line).is_ok()));
}

fn checks_summary(place: &Workplace) {
    let text = place.read("runs/x/summary.csv");
    let mut lines = text.lines();
    assert_eq!(
        lines.next().unwrap(),
        "variant,id,seed,state,step,diffusion.noise_schedule,model.channel_multipliers,\
         denoise_score,denoise_bits,loss"
    );
    let rows: Vec<&str> = lines.collect();
    assert_eq!(rows.len(), 8);
    assert!(
        rows[0].contains(",0,done,12,linear,\"[1,1]\",") && rows[7].contains(",1,done,12,cosine,\"[1,2]\",")
    );
}

fn checks_status(place: &Workplace) {
    let status = place.ablate(&["status", "--json"]).exits(0).json();
    assert_eq!((&status["counts"], &status["notes"]), (&json!({"done": 8}), &json!([])));
    let runs = status["runs"].as_array().unwrap();
    assert_eq!(runs.len(), 8);
    let fields = json!({"state": "done", "step": STEPS, "total_steps": STEPS, "attempt": 1, "exact": true});
    for (field, expected) in fields.as_object().unwrap() {
        assert!(runs.iter().all(|run| run[field] == *expected), "{field}: {status}");
    }
    let text = place.ablate(&["status"]).exits(0).stdout;
    assert!(text.ends_with("\n8 runs: 8 done\n") && text.matches("12/12 100%").count() == 8, "{text}");
}

/// `compare --format json` against means worked out here, and the other formats against it.
fn checks_compare(place: &Workplace) {
    let compare = |format: &str| place.ablate(&["compare", "runs/x", "--format", format]).exits(0);
    let json = compare("json").json();
    let keys: Vec<&String> = json.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["at", "goal", "metric", "rows"]);
    assert_eq!(
        (&json["metric"], &json["goal"], &json["at"]),
        (&json!("denoise_score"), &json!("min"), &json!("last"))
    );
    let rows = json["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 4);
    let means: Vec<f64> = rows.iter().map(|row| row["mean"].as_f64().unwrap()).collect();
    assert!(means.is_sorted(), "best first: {means:?}");
    let csv = compare("csv").stdout;
    let table = compare("table").stdout;
    let markdown = compare("md").stdout.replace('\\', "");
    assert_eq!(csv.lines().count(), 5);
    for row in rows {
        let variant = row["variant"].as_str().unwrap();
        let values: Vec<f64> = runs_of(place)
            .iter()
            .filter(|run| label(run).starts_with(variant))
            .map(|run| run.column("eval.csv", "denoise_score")[2])
            .collect();
        let mean = (values[0] + values[1]) / 2.0;
        let std = (values[0] - values[1]).abs() / 2.0_f64.sqrt();
        // Student's t for one degree of freedom.
        let half = 12.706_204_736_432_095 * std / 2.0_f64.sqrt();
        let close = |found: &Value, expected: f64| (found.as_f64().unwrap() - expected).abs() < 1e-9 * mean;
        assert!(close(&row["mean"], mean) && close(&row["std"], std), "{row}");
        assert!(close(&row["ci95"][0], mean - half) && close(&row["ci95"][1], mean + half), "{row}");
        assert_eq!(row["n"], json!(2));
        let seeds: Vec<f64> =
            row["seeds"].as_array().unwrap().iter().map(|seed| seed["value"].as_f64().unwrap()).collect();
        assert_eq!(seeds, values);
        assert!(csv.contains(&format!("{variant},")) && csv.contains(&format!(",{},", row["mean"])), "{csv}");
        let shown = format!("{mean:.4} ± {std:.4} (2)");
        assert!(
            table.contains(&shown) && markdown.contains(&shown) && markdown.contains(variant),
            "{shown}\n{table}"
        );
    }
}

/// Width and height of a PNG file.
fn png_size(bytes: &[u8]) -> (u32, u32) {
    assert_eq!(&bytes[..8], b"\x89PNG\r\n\x1a\n");
    let number = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
    (number(16), number(20))
}

fn checks_sample(place: &Workplace) {
    let run = runs_of(place).remove(0);
    let path = run.path.to_str().unwrap();
    let draw = |arguments: &[&str], file: &str| {
        let ran = place.ablate(&[&["sample", path, "-o", file], arguments].concat()).exits(0);
        assert!(ran.stdout.contains(file), "{}", ran.stdout);
        fs::read(place.path(file)).unwrap()
    };
    // Tiles of 8 pixels are enlarged sevenfold, with 4 pixels between and around them.
    let side = |tiles: u32| 4 + tiles * (8 * 7 + 4);
    let five = draw(&["-n", "5"], "five.png");
    assert_eq!(png_size(&five), (side(3), side(2)));
    assert_eq!(draw(&["-n", "5"], "again.png"), five, "the same seed draws the same images");
    for other in [["--seed", "1"], ["--weights", "raw"], ["--at", "step=6"], ["--steps", "4"], ["--eta", "1"]]
    {
        let drawn = draw(&[&["-n", "5"][..], &other].concat(), "other.png");
        assert_eq!(png_size(&drawn), (side(3), side(2)));
        assert_ne!(drawn, five, "{other:?} makes no difference");
    }
    assert_eq!(png_size(&draw(&["-n", "1", "--at", "best"], "one.png")), (side(1), side(1)));
    let grid = fs::read(run.path.join("samples/step-00000012.png")).unwrap();
    assert_eq!(png_size(&grid), (side(2), side(2)));
    let refused = |arguments: &[&str]| place.ablate(&[&["sample", path], arguments].concat()).exits(2).stderr;
    assert_eq!(
        refused(&["--at", "step=7"]),
        "error: no checkpoint of step 7 is kept\n  help: kept are the steps 6, 12\n"
    );
    assert_eq!(
        refused(&["--weights", "ema-0.5"]),
        "error: --weights ema-0.5: this run has no such weights\n  help: use ema (that is ema-0.999) or raw\n"
    );
}

#[test]
fn a_new_axis_value_trains_nothing_that_is_done() {
    let place = short("[sweep.grid]\n\"training.learning_rate\" = [1e-4, 2e-4]\n");
    place.ablate(&["run", "x.toml"]).exits(0);
    let before = written(&place);
    assert_eq!(before.len(), 2);

    // A value more on the first axis, and a second axis that begins at the base's value.
    let text = place.read("x.toml");
    let wider = text.replace("[1e-4, 2e-4]", "[3e-4, 0.0001, 2e-4]\n\"model.dropout\" = [0.0, 0.1]");
    place.write("x.toml", &wider);
    let ran = place.ablate(&["run", "x.toml", "--only", "*"]).exits(0);
    assert!(ran.stdout.starts_with("6 runs: 6 done\n"), "{}", ran.stdout);
    assert_eq!(ran.stderr.matches("start  ").count(), 4, "{}", ran.stderr);
    let after = written(&place);
    assert_eq!(after.len(), 6);
    for (label, time) in &before {
        assert_eq!(after.get(label), Some(time), "{label} keeps its folder and its rows");
    }

    // Taken away again, the new ones stay on disk, marked as not asked for, and are not compared.
    place.write("x.toml", &text);
    let ran = place.ablate(&["run", "x.toml"]).exits(0);
    assert!(ran.stdout.starts_with("2 runs: 2 done\n"), "{}", ran.stdout);
    let plan: Value = serde_json::from_str(&place.read("runs/x/plan.json")).unwrap();
    let asked: Vec<bool> = plan["variants"]
        .as_array()
        .unwrap()
        .iter()
        .map(|variant| variant["asked"].as_bool().unwrap())
        .collect();
    assert_eq!(asked, [true, true, false, false, false, false]);
    assert_eq!(written(&place), after);
}

#[test]
fn only_trains_what_it_names() {
    let place = short("[sweep]\nseeds = [0, 1]\n[sweep.grid]\n\"training.learning_rate\" = [1e-4, 2e-4]\n");
    let ran = place.ablate(&["run", "x.toml", "--only", "lr1e-4*/seed-1"]).exits(0);
    assert!(ran.stdout.starts_with("1 run: 1 done\n"), "{}", ran.stdout);
    assert_eq!(runs_of(&place).len(), 1);
    assert!(label(&only_run(&place)).ends_with("/seed-1"));
    let ran = place.ablate(&["run", "x.toml", "--only", "lr1e-4*"]).exits(0);
    assert!(ran.stdout.starts_with("2 runs: 2 done\n"), "{}", ran.stdout);
    let status = place.ablate(&["status", "runs/x", "--json"]).exits(0).json();
    assert_eq!(status["counts"], json!({"done": 2, "planned": 2}), "the whole plan is known");
}

#[test]
fn a_run_that_diverges_is_listed_and_does_not_stop_the_others() {
    let place = short("[sweep.grid]\n\"training.learning_rate\" = [1e30, 1e-4, 2e-4]\n");
    let ran = place.ablate(&["run", "x.toml", "--jobs", "1"]).exits(1);
    assert!(ran.stdout.starts_with("3 runs: 2 done, 1 failed\n"), "{}", ran.stdout);
    let (bad, run) = runs_of(&place)
        .into_iter()
        .map(|run| (label(&run), run))
        .find(|(_, run)| run.state() == "diverged")
        .expect("one diverged");
    let expected = format!("failed:\n  {bad}: the loss is not finite at step ");
    assert!(ran.stderr.contains(&expected) && ran.stderr.contains("\n    log: "), "{}", ran.stderr);
    let status = run.status().unwrap();
    let error = status["error"].as_str().unwrap();
    assert!(error.contains("; first bad tensor: ") && error.contains(".weight"), "{error}");
    assert!(status["step"].as_u64().unwrap() < STEPS, "{status}");
    assert_eq!(states(&place).values().filter(|state| *state == "done").count(), 2);

    // Shown again, tried again only on request.
    let again = place.ablate(&["run", "x.toml"]).exits(1);
    assert!(again.stderr.contains("1 failed before; --retry-failed tries them again\n"), "{}", again.stderr);
    assert_eq!(run.attempt(), 1);
    place.ablate(&["run", "x.toml", "--retry-failed"]).exits(1);
    assert_eq!(run.attempt(), 2);
    let compared = place.ablate(&["compare", "runs/x", "--format", "json"]).exits(0).json();
    let rows = compared["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 3, "a failed variant is shown");
    assert_eq!((&rows[2]["variant"], &rows[2]["n"]), (&json!(bad.split('/').next().unwrap()), &json!(0)));
    assert_eq!(rows[2]["seeds"][0]["state"], json!("diverged"));
}

#[test]
fn fail_fast_starts_nothing_after_a_failure() {
    let place = short("[sweep.grid]\n\"training.learning_rate\" = [1e30, 1e-4, 2e-4]\n");
    let ran = place.ablate(&["run", "x.toml", "--jobs", "1", "--fail-fast"]).exits(1);
    assert!(ran.stdout.starts_with("3 runs: 1 failed, 2 not started\n"), "{}", ran.stdout);
    let found = states(&place);
    assert_eq!(found.values().filter(|state| *state == "done").count(), 0, "{found:?}");
}

#[test]
fn a_worker_that_crashes_is_a_failure_and_the_others_go_on() {
    let place = tiny("[sweep]\ninclude_base = true\nseeds = [0, 1]\n");
    let mut running = Background::start(&place, &["run", "x.toml", "--jobs", "1"]);
    let worker = wait_for("the first worker to train", PATIENCE, || {
        assert!(!running.has_ended());
        let training = runs_of(&place).first().is_some_and(|run| run.rows() > 1);
        if training { workers_of(running.pid()).first().copied() } else { None }
    });
    send(worker, Signal::ABORT);
    let code = running.wait().code();
    let ran = said(&place, code).exits(1);
    assert!(ran.stdout.starts_with("2 runs: 1 done, 1 failed\n"), "{}", ran.stdout);
    assert!(ran.stderr.contains("/seed-0: the worker died of SIGABRT"), "{}", ran.stderr);
    let found: Vec<String> = states(&place).into_values().collect();
    assert_eq!(found, ["failed", "done"]);
    place.ablate(&["run", "x.toml", "--retry-failed"]).exits(0);
    assert_eq!(runs_of(&place)[0].attempt(), 2);
}

#[test]
fn a_storage_error_names_the_path_and_is_resumable() {
    let place = short("");
    place.ablate(&["run", "x.toml", "-s", "checkpoint.every=0"]).exits(0);
    let expected = only_run(&place).bytes();
    let damaged = short("");
    let variant = label(&only_run(&place));
    damaged.write(&format!("runs/x/{variant}/checkpoints"), "a file where the folder should be");
    let ran = damaged.ablate(&["run", "x.toml"]).exits(74);
    assert!(ran.stderr.contains("/checkpoints"), "{}", ran.stderr);
    assert!(ran.stdout.contains("1 run: 1 interrupted\nrun the same command again"), "{}", ran.stdout);
    fs::remove_file(damaged.path(format!("runs/x/{variant}/checkpoints"))).unwrap();
    damaged.ablate(&["run", "x.toml"]).exits(0);
    only_run(&damaged).assert_equals(&expected, "after the storage error");
}

#[test]
fn a_damaged_run_configuration_is_written_again() {
    let place = short("");
    place.ablate(&["run", "x.toml"]).exits(0);
    let run = only_run(&place);
    let (config, expected) = (run.read("config.toml"), run.bytes());
    for file in ["status.json", "config.toml"] {
        fs::write(run.path.join(file), "na").unwrap();
    }
    fs::remove_dir_all(run.path.join("checkpoints")).unwrap();
    place.ablate(&["run", "x.toml"]).exits(0);
    assert_eq!(run.read("config.toml"), config);
    run.assert_equals(&expected, "trained anew");
}

/// Two seeds, stopped once the first has a checkpoint.
fn two_stopped(jobs: &str) -> Workplace {
    let place = tiny("[sweep]\ninclude_base = true\nseeds = [0, 1]\n");
    let mut running = Background::start(&place, &["run", "x.toml", "--jobs", jobs]);
    wait_for("a first checkpoint", PATIENCE, || {
        assert!(!running.has_ended());
        runs_of(&place).first().filter(|run| !run.checkpoints().is_empty()).map(drop)
    });
    running.send(Signal::TERM);
    running.wait();
    place
}

#[test]
fn resume_needs_nothing_but_the_run_tree() {
    let place = two_stopped("2");
    fs::remove_file(place.path("x.toml")).unwrap();

    // From another folder, one run by name first.
    let elsewhere = Workplace::new();
    let runs = runs_of(&place);
    let before: Vec<u64> = runs.iter().map(Run::attempt).collect();
    elsewhere.ablate(&["resume", runs[1].path.to_str().unwrap()]).exits(0);
    assert_eq!(runs[1].state(), "done");
    assert_eq!(runs[0].attempt(), before[0], "the other is left alone");
    let ran = elsewhere.ablate(&["resume", place.path("runs/x").to_str().unwrap()]).exits(0);
    assert!(ran.stdout.starts_with("2 runs: 2 done\n"), "{}", ran.stdout);
    assert_eq!(elsewhere.files(), [""; 0], "nothing is written elsewhere");
    let again = elsewhere.ablate(&["resume", place.path("runs/x").to_str().unwrap()]).exits(0);
    assert!(!again.stderr.contains("start  "), "{}", again.stderr);
}

#[test]
fn resume_leaves_out_a_run_whose_configuration_cannot_be_read_and_trains_the_others() {
    let place = two_stopped("1");
    let runs = runs_of(&place);
    assert_eq!(runs.len(), 2, "both are laid out");
    fs::write(runs[0].path.join("config.toml"), "[data").unwrap();
    let ran = place.ablate(&["resume", "runs/x"]).exits(1);
    assert!(ran.stderr.contains("left out: ") && ran.stderr.contains("writes it again"), "{}", ran.stderr);
    assert!(ran.stderr.contains(&label(&runs[0])), "{}", ran.stderr);
    assert_eq!((runs[0].state().as_str(), runs[1].state().as_str()), ("interrupted", "done"));
    place.ablate(&["resume", runs[0].path.to_str().unwrap()]).exits(2);
}

#[test]
fn the_environment_and_pins_reach_the_run() {
    let place = short("[sweep.grid]\n\"training.learning_rate\" = [1e-4, 2e-4]\n");
    let mut command = place.command(&["run", "x.toml", "--pin", "training.learning_rate=2e-4", "--quiet"]);
    let output = command.env("ABLATE_RUNTIME__RUNS_DIR", "elsewhere/deep").output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!((output.stdout.len(), output.stderr.len()), (0, 0), "--quiet: {output:?}");
    assert!(!place.path("runs").exists());
    let plan: Value = serde_json::from_str(&place.read("elsewhere/deep/x/plan.json")).unwrap();
    assert_eq!(plan["variants"].as_array().unwrap().len(), 1);
}
