//! Run trees as earlier versions of the program wrote them: `tests/data/runs`, one folder a format.

use std::fs;
use std::path::{Path, PathBuf};

use super::Workplace;

/// Where the programs ran that wrote them.
const HOME: &str = "/golden";
/// Where a golden experiment lies in its workplace.
pub(crate) const EXPERIMENT: &str = "runs/golden";

/// The formats there are, oldest first.
pub(crate) fn formats() -> Vec<String> {
    let entries = fs::read_dir(folder()).unwrap().map(Result::unwrap);
    let folders = entries.filter(|entry| entry.file_type().unwrap().is_dir());
    let mut names: Vec<String> = folders.map(|entry| entry.file_name().into_string().unwrap()).collect();
    names.sort();
    assert!(names.len() >= 2, "{names:?}");
    names
}

/// The format that this program writes.
pub(crate) fn newest() -> String {
    formats().pop().expect("there are formats")
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/runs")
}

/// A workplace with the golden experiment of a format. Its paths are those of the workplace, its killed run has
/// been silent for long, and no program is the one that wrote it.
pub(crate) fn workplace(format: &str) -> Workplace {
    let place = Workplace::new();
    let from = folder().join(format).join("golden");
    for name in super::files_below(&from) {
        let mut bytes = fs::read(from.join(&name)).unwrap();
        if name.ends_with("config.toml") {
            let text = String::from_utf8(bytes).unwrap();
            bytes = text.replace(HOME, place.path("").to_str().unwrap().trim_end_matches('/')).into_bytes();
        } else if name.ends_with("status.json") {
            bytes = long_ago(&String::from_utf8(bytes).unwrap()).into_bytes();
        } else if name.ends_with("provenance.json") {
            let text = String::from_utf8(bytes).unwrap();
            bytes = text.replace("\"binary\": \"", "\"binary\": \"other-").into_bytes();
        }
        place.write(&format!("{EXPERIMENT}/{name}"), bytes);
    }
    place
}

/// The status with another year in its time stamps, so that no clock is behind them.
fn long_ago(status: &str) -> String {
    let stamp = |line: &str| line.trim_start().starts_with("\"updated\"");
    let line = |line: &str| if stamp(line) { line.replace("\"20", "\"19") } else { line.to_owned() };
    status.lines().map(|text| line(text) + "\n").collect()
}

/// The run of a seed: 0 was trained to its end, 1 was killed with its launcher.
pub(crate) fn run(place: &Workplace, seed: u64) -> PathBuf {
    let experiment = place.path(EXPERIMENT);
    let variants = fs::read_dir(&experiment).unwrap().map(|entry| entry.unwrap().path());
    let mut runs = variants.map(|variant| variant.join(format!("seed-{seed}"))).filter(|run| run.is_dir());
    let run = runs.next().expect("a golden run");
    assert_eq!(runs.next(), None);
    run
}

#[cfg(feature = "torch")]
/// Every file below a folder with its bytes.
pub(crate) fn contents(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let names = super::files_below(folder).into_iter();
    names.map(|name| (name.clone(), fs::read(folder.join(name)).unwrap())).collect()
}
