//! A training small enough to be repeated many times, and everything of it that must be equal byte for byte.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use super::{Workplace, files_below};

/// 18,521 parameters on 8×8 grey drawings; every kind of event happens several times in 48 steps.
pub(crate) const TINY: &str = r#"
[data]
image_size = 8
in_channels = 1
limit = 256
[model]
base_channels = 8
channel_multipliers = [1, 1]
num_res_blocks = 1
attention_resolutions = [4]
norm_groups = 2
[training]
steps = 48
batch_size = 8
warmup_steps = 10
log_every = 1
[checkpoint]
every = 8
[evaluation]
every = 16
images = 16
[sampling]
every = 24
num_samples = 4
steps = 5
[runtime]
device = "cpu"
threads = 1
"#;

/// Steps of [`TINY`].
pub(crate) const STEPS: u64 = 48;

/// A workplace whose `x.toml` is [`TINY`] with more below it.
pub(crate) fn tiny(more: &str) -> Workplace {
    Workplace::with("x.toml", &format!("{TINY}{more}"))
}

/// One run's folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) path: PathBuf,
}

impl Run {
    pub(crate) fn read(&self, file: &str) -> String {
        let path = self.path.join(file);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// `status.json`; `None` before there is one.
    pub(crate) fn status(&self) -> Option<serde_json::Value> {
        let text = fs::read_to_string(self.path.join("status.json")).ok()?;
        Some(serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}")))
    }

    pub(crate) fn state(&self) -> String {
        self.status().map_or("none".into(), |status| status["state"].as_str().unwrap().to_owned())
    }

    pub(crate) fn attempt(&self) -> u64 {
        self.status().unwrap()["attempt"].as_u64().unwrap()
    }

    /// Rows of `metrics.csv` that are whole.
    pub(crate) fn rows(&self) -> usize {
        let text = fs::read_to_string(self.path.join("metrics.csv")).unwrap_or_default();
        text.matches('\n').count().saturating_sub(1)
    }

    /// The checkpoints of this run, by step.
    pub(crate) fn checkpoints(&self) -> Vec<u64> {
        let names = fs::read_dir(self.path.join("checkpoints")).into_iter().flatten().flatten();
        let names = names.map(|entry| entry.file_name().into_string().unwrap());
        let mut steps: Vec<u64> = names.filter_map(|name| name.strip_prefix("step-")?.parse().ok()).collect();
        steps.sort_unstable();
        steps
    }

    /// What a run leaves that depends on nothing but its configuration: the logs without clocks, the sample
    /// grids, and the newest checkpoint without its manifest, which knows the length of `timing.csv`.
    pub(crate) fn bytes(&self) -> BTreeMap<String, Vec<u8>> {
        let last = *self.checkpoints().last().unwrap();
        let last = format!("checkpoints/step-{last:08}/");
        let logs = ["metrics.csv", "eval.csv", "levels.csv", "images.csv"];
        let wanted = |name: &String| {
            logs.contains(&name.as_str())
                || name.starts_with("samples/")
                || name.starts_with(&last) && !name.ends_with("manifest.json")
        };
        let names = files_below(&self.path).into_iter().filter(wanted);
        names.map(|name| (name.clone(), fs::read(self.path.join(&name)).unwrap())).collect()
    }

    /// Fails with the names of the files that differ.
    #[track_caller]
    pub(crate) fn assert_equals(&self, expected: &BTreeMap<String, Vec<u8>>, context: &str) {
        let found = self.bytes();
        let names: Vec<&String> = found.keys().collect();
        assert_eq!(names, expected.keys().collect::<Vec<_>>(), "{context}: other files");
        let differing: Vec<&String> =
            names.into_iter().filter(|name| found[*name] != expected[*name]).collect();
        assert!(differing.is_empty(), "{context}: {differing:?} differ from an uninterrupted run's");
    }

    /// A column of a CSV file; empty cells are NaN.
    pub(crate) fn column(&self, file: &str, name: &str) -> Vec<f64> {
        let text = self.read(file);
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let index = reader.headers().unwrap().iter().position(|header| header == name).unwrap();
        let cells = reader.records().map(|record| record.unwrap()[index].to_owned());
        cells.map(|cell| if cell.is_empty() { f64::NAN } else { cell.parse().unwrap() }).collect()
    }
}

/// The runs of the experiment `x` in a workplace that have a configuration, by path. Files may come and go
/// meanwhile.
pub(crate) fn runs_of(place: &Workplace) -> Vec<Run> {
    let below = |folder: PathBuf| {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).collect::<Vec<_>>()
    };
    let mut paths: Vec<PathBuf> = below(place.path("runs/x")).into_iter().flat_map(below).collect();
    paths.retain(|path| path.join("config.toml").is_file());
    paths.sort();
    paths.into_iter().map(|path| Run { path }).collect()
}

/// The only run of the experiment `x`.
#[track_caller]
pub(crate) fn only_run(place: &Workplace) -> Run {
    let mut runs = runs_of(place);
    assert_eq!(runs.len(), 1, "{runs:?}");
    runs.remove(0)
}
