//! A key that identity leaves out changes no weight, and does what it says.

use std::collections::BTreeSet;
use std::fs;

use super::{BASE, keys, tensors, workplace};
use crate::support::Workplace;
use crate::support::tier::Tier;
use crate::support::training::Run;

/// One training in a workplace of its own.
struct Trained {
    place: Workplace,
    run: Run,
}

/// Trains the base in a fresh workplace, so that a run with the same identity is trained again.
#[track_caller]
fn train(settings: &[&str]) -> Trained {
    let place = workplace();
    let mut arguments = vec!["run", "x.toml"];
    arguments.extend(settings.iter().flat_map(|setting| ["-s", setting]));
    place.ablate(&arguments).exits(0);
    let config = place.files().into_iter().find(|name| name.ends_with("seed-0/config.toml"));
    let config = place.path(config.expect("a run"));
    let run = Run { path: config.parent().unwrap().to_owned() };
    Trained { place, run }
}

impl Trained {
    fn list(&self, folder: &str) -> Vec<String> {
        let entries = fs::read_dir(self.run.path.join(folder)).into_iter().flatten().flatten();
        let mut names: Vec<String> = entries.map(|entry| entry.file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn grid(&self) -> image::RgbImage {
        image::open(self.run.path.join("samples/step-00000006.png")).unwrap().to_rgb8()
    }

    fn cells(&self, file: &str, column: &str) -> Vec<f64> {
        self.run.column(file, column)
    }
}

/// A key with its new value, what has to be set for it to matter, and what then differs between the trainings.
struct Row {
    change: &'static str,
    given: &'static [&'static str],
    effect: fn(&Trained, &Trained) -> String,
}

impl Row {
    fn key(&self) -> &'static str {
        self.change.split_once('=').unwrap().0
    }
}

fn row(
    change: &'static str,
    given: &'static [&'static str],
    effect: fn(&Trained, &Trained) -> String,
) -> Row {
    Row { change, given, effect }
}

fn listed(folder: &'static str, before: &Trained, after: &Trained) -> String {
    let (before, after) = (before.list(folder), after.list(folder));
    assert_ne!(before, after);
    format!("{folder}: {} -> {}", before.join(" "), after.join(" "))
}

fn other_pixels(before: &Trained, after: &Trained) -> String {
    let (before, after) = (before.grid(), after.grid());
    assert_eq!(before.dimensions(), after.dimensions());
    assert_ne!(before, after);
    "other images".into()
}

fn recorded(what: &str, before: &Trained, after: &Trained) -> String {
    let line = |trained: &Trained| {
        let text = trained.run.read("execution.json");
        text.lines().find(|line| line.contains(what)).unwrap_or_default().trim().to_owned()
    };
    assert_ne!(line(before), line(after));
    format!("execution.json: {} -> {}", line(before), line(after))
}

/// Whether two seeds of an experiment were trained at the same time.
fn overlap(place: &Workplace, name: &str, jobs: usize) -> bool {
    let base = BASE.replace("jobs = 1", &format!("jobs = {jobs}")).replace("steps = 6", "steps = 60");
    place.write(&format!("{name}.toml"), format!("{base}[sweep]\nseeds = [0, 1]\ninclude_base = true\n"));
    place.ablate(&["run", &format!("{name}.toml"), "--quiet"]).exits(0);
    let variant = fs::read_dir(place.path(format!("runs/{name}"))).unwrap().flatten();
    let folder = variant.map(|entry| entry.path()).find(|path| path.join("seed-0").is_dir()).unwrap();
    let [first, second] = ["seed-0", "seed-1"].map(|seed| {
        let status = Run { path: folder.join(seed) }.status().unwrap();
        let at = |key: &str| status[key].as_str().unwrap().to_owned();
        (at("started"), at("updated"))
    });
    first.0 < second.1 && second.0 < first.1
}

const DDPM: &[&str] = &["sampling.sampler=ddpm"];

/// Rows in the order of `default.toml`.
fn rows() -> Vec<Row> {
    vec![
        row("name=renamed", &[], |_, after| {
            assert!(after.run.path.starts_with(after.place.path("runs/renamed")));
            "the experiment's folder".into()
        }),
        row("description=words", &[], |_, after| {
            assert!(after.run.read("config.toml").contains("description = \"words\""));
            "config.toml".into()
        }),
        row("data.root=pictures", &["data.dataset=folder"], |before, after| {
            let root = |of: &Trained| of.run.read("config.toml").contains("/pictures\"");
            assert!(!root(before) && root(after));
            "where the same images are read: data/folder -> pictures".into()
        }),
        row("data.skip_corrupt=true", &["data.dataset=folder", "data.root=pictures"], |before, _| {
            before.place.write("pictures/torn.png", b"no picture");
            let train =
                ["run", "x.toml", "-s", "data.dataset=folder", "-s", "data.root=pictures", "-s", "name=y"];
            let refused = before.place.ablate(&train);
            assert_eq!(refused.code, Some(2), "{refused:?}");
            assert!(refused.stderr.contains("torn.png"), "{refused:?}");
            before.place.ablate(&[&train[..], &["-s", "data.skip_corrupt=true"]].concat()).exits(0);
            "an unreadable file is left out instead of refused".into()
        }),
        row("training.log_every=1", &[], |before, after| {
            assert_eq!((before.run.rows(), after.run.rows()), (3, 6));
            "rows of metrics.csv: 3 -> 6".into()
        }),
        row("checkpoint.every=3", &["checkpoint.keep=9"], |before, after| {
            listed("checkpoints", before, after)
        }),
        row("checkpoint.keep=9", &[], |before, after| listed("checkpoints", before, after)),
        row("checkpoint.pin=[1]", &[], |before, after| {
            assert!(after.list("checkpoints").contains(&"step-00000001".to_owned()));
            listed("checkpoints", before, after)
        }),
        row("evaluation.every=2", &[], |before, after| {
            let steps = |of: &Trained| of.cells("eval.csv", "step");
            assert_eq!((steps(before), steps(after)), (vec![3., 3., 6., 6.], vec![2., 2., 4., 4., 6., 6.]));
            "rows of eval.csv: at 3 6 -> at 2 4 6".into()
        }),
        row("evaluation.images=4", &[], |before, after| {
            let images = |of: &Trained| of.cells("eval.csv", "images")[0];
            assert_eq!((images(before), images(after)), (8.0, 4.0));
            "images in eval.csv: 8 -> 4".into()
        }),
        row("evaluation.metrics=[\"loss\"]", &[], |before, after| {
            let empty = |of: &Trained| of.cells("eval.csv", "denoise_score").iter().all(|cell| cell.is_nan());
            assert!(!empty(before) && empty(after));
            assert_eq!(after.cells("levels.csv", "k"), Vec::<f64>::new());
            "denoise_score and levels.csv are empty".into()
        }),
        row("sampling.every=3", &[], |before, after| listed("samples", before, after)),
        row("sampling.num_samples=4", &[], |before, after| {
            let size = |of: &Trained| of.grid().dimensions();
            assert!(size(after) > size(before));
            format!("grid: {:?} -> {:?} pixels", size(before), size(after))
        }),
        row("sampling.sampler=ddpm", &[], other_pixels),
        row("sampling.sampler=dpm_solver_pp", &[], other_pixels),
        row("sampling.sampler=euler", &[], other_pixels),
        row("sampling.sampler=heun", &[], other_pixels),
        row("sampling.steps=8", &[], other_pixels),
        row("sampling.eta=1", &[], other_pixels),
        row("sampling.timestep_spacing=trailing", &[], other_pixels),
        row("sampling.steps_offset=1", &[], other_pixels),
        row("sampling.clip_sample=false", &[], other_pixels),
        row("sampling.clip_sample_range=0.5", &[], other_pixels),
        row("sampling.set_alpha_to_one=false", &[], other_pixels),
        row("sampling.variance=fixed_large", DDPM, other_pixels),
        row("runtime.device=auto", &[], |_, after| {
            assert!(after.run.read("config.toml").contains("device = \"auto\""));
            "the device is chosen by the worker".into()
        }),
        row("runtime.jobs=2", &[], |before, _| {
            assert!(!overlap(&before.place, "one", 1) && overlap(&before.place, "two", 2));
            "two workers at a time".into()
        }),
        row("runtime.threads=2", &[], |before, after| recorded("threads", before, after)),
        row("runtime.slots_per_device=2", &[], |_, after| {
            assert!(after.run.read("config.toml").contains("slots_per_device = 2"));
            "workers at a time on a GPU; none here".into()
        }),
        row("runtime.deterministic=true", &[], |before, after| recorded("deterministic", before, after)),
        row("runtime.tensorboard=false", &[], |before, after| listed("tensorboard", before, after)),
        row("runtime.runs_dir=other", &[], |_, after| {
            assert!(after.run.path.starts_with(after.place.path("other/x")));
            "the root of the run tree".into()
        }),
        row("runtime.data_dir=cached", &[], |before, after| {
            let cached = |of: &Trained, folder: &str| of.place.path(folder).join("cache").is_dir();
            assert!(cached(before, "data") && cached(after, "cached") && !cached(after, "data"));
            "where decoded images are kept".into()
        }),
    ]
}

/// Keys that a row cannot show: another seed is meant to be another training, and this version has one launcher.
const ELSEWHERE: [&str; 2] = ["training.seed", "launcher.kind"];

#[test]
fn every_other_key_has_its_effect_and_leaves_the_weights_alone() {
    if Tier::asked().leaves_out(Tier::Standard, "a training for every key that is not hashed") {
        return;
    }
    let plain = train(&[]);
    for row in rows() {
        let settings: Vec<&str> = row.given.iter().copied().chain([row.change]).collect();
        let own = (!row.given.is_empty()).then(|| train(row.given));
        let (before, after) = (own.as_ref().unwrap_or(&plain), train(&settings));
        // Other threads add the same numbers in another order: the contract asks for equal ones.
        if row.key() != "runtime.threads" {
            assert!(tensors(&before.run) == tensors(&after.run), "{} changes weights", row.change);
        }
        println!("{:45} {}", row.change, (row.effect)(before, &after));
    }
    let tried: BTreeSet<&str> = rows().iter().map(Row::key).chain(ELSEWHERE).collect();
    assert_eq!(tried, keys(false), "a key has no row, or a row no key");
    assert!(BASE.contains("threads = 1"));
}
