//! What `ablate eval` adds to a run: `evals/<fingerprint>.csv`, one file for each way of asking.
//!
//! In: the settings that decide what the numbers mean, and rows. Out: four files under the settings' fingerprint:
//! `.json` (the settings), `.levels.csv` (the curve), `.images.csv` (each image's share), `.csv` (the numbers, last, so
//! that whoever finds it finds all four). Rows are kept by step and weights: a later one replaces an earlier one, but a number that was not asked
//! for this time stays.

use std::collections::BTreeMap;
use std::fs::TryLockError;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::columns::{EVALS_HEADER, EVALS_IMAGES_HEADER, LEVELS_HEADER};
use super::format::{self, EVALS_FORMAT};
use super::{Cell, Disk, RunDir, RunDirError, files};
use crate::guard;

const SIZE_LIMIT: u64 = 64 << 20;
/// Settings are a few lines.
const SETTINGS_LIMIT: u64 = 64 << 10;
/// Two evaluations that end in the same moment write one after the other.
const PATIENCE: Duration = Duration::from_secs(10);

/// What decides whether two numbers may be put side by side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvalSettings {
    /// Version of the file.
    #[serde(default = "format::first")]
    pub format: u32,
    /// `train`, `val` or `test`.
    pub split: String,
    /// Images measured: the first in hash order.
    pub images: usize,
    /// An image is measured at every so many nodes of the curve.
    pub stride: usize,
    /// Fingerprint of the data set.
    pub data: String,
}

impl EvalSettings {
    /// Every image at every node.
    pub fn in_full(split: &str, images: usize, data: &str) -> EvalSettings {
        let (split, data) = (split.to_owned(), data.to_owned());
        EvalSettings { format: EVALS_FORMAT, split, images, stride: 1, data }
    }

    /// Reads the settings beside an evaluation's numbers; `None` where there are none.
    ///
    /// # Errors
    /// They cannot be read, or are of a newer version.
    pub fn read(path: &Path) -> Result<Option<EvalSettings>, RunDirError> {
        let text = files::read_text(&Disk, path, SETTINGS_LIMIT)?;
        text.map(|text| format::parse(path, &text, "evaluation", EVALS_FORMAT)).transpose()
    }

    /// 16 hexadecimal digits; the stem of the files.
    pub fn fingerprint(&self) -> String {
        let EvalSettings { format: _, split, images, stride, data } = self;
        let text = format!("split={split}\nimages={images}\nstride={stride}\ndata={data}\n");
        blake3::hash(text.as_bytes()).to_hex()[..16].to_owned()
    }

    /// Where the numbers are.
    pub fn path(&self, run: &RunDir) -> PathBuf {
        run.evals_path().join(format!("{}.csv", self.fingerprint()))
    }
}

/// The rows of one evaluation; all begin with step and weights.
#[derive(Debug)]
pub struct EvalRows<'a> {
    /// Cells under [`EVALS_HEADER`].
    pub scores: Vec<Cell<'a>>,
    /// Cells under [`LEVELS_HEADER`].
    pub levels: Vec<Vec<Cell<'a>>>,
    /// Cells under [`EVALS_IMAGES_HEADER`].
    pub images: Vec<Vec<Cell<'a>>>,
}

/// Adds the rows of an evaluation to its file.
///
/// # Errors
/// The files are as they were, or not all of them are new; the numbers' own is the last.
pub fn record(run: &RunDir, settings: &EvalSettings, rows: &[EvalRows<'_>]) -> Result<PathBuf, RunDirError> {
    let path = settings.path(run);
    let folder = run.evals_path();
    files::create_dir(&Disk, &folder)?;
    let _lock = lock(&folder.join(".lock"))?;
    let text = |row: &[Cell<'_>]| -> Vec<String> { row.iter().map(plain).collect() };
    let scores = rows.iter().map(|row| text(&row.scores)).collect();
    let levels = rows.iter().flat_map(|row| &row.levels).map(|row| text(row)).collect();
    let images = rows.iter().flat_map(|row| &row.images).map(|row| text(row)).collect();
    format::refuse_newer(&path.with_extension("json"), "evaluation", EVALS_FORMAT)?;
    let settings = serde_json::to_string_pretty(settings).expect("numbers and words serialize");
    files::replace(&Disk, &path.with_extension("json"), (settings + "\n").as_bytes())?;
    // A level of the curve is told by its node as well, an image by its id.
    merge(&path.with_extension("levels.csv"), LEVELS_HEADER, 3, levels)?;
    merge(&path.with_extension("images.csv"), EVALS_IMAGES_HEADER, 3, images)?;
    merge(&path, EVALS_HEADER, 2, scores)?;
    Ok(path)
}

/// The writer quotes what needs it.
fn plain(cell: &Cell<'_>) -> String {
    match cell {
        Cell::Text(text) => (*text).to_owned(),
        other => other.text().into_owned(),
    }
}

/// Rewrites a file with these rows in it; the first `key` cells say which row is which.
fn merge(path: &Path, header: &[&str], key: usize, rows: Vec<Vec<String>>) -> Result<(), RunDirError> {
    let malformed = |error: csv::Error| RunDirError::malformed(path, guard::printable(&error.to_string()));
    let mut all: BTreeMap<Key, Vec<String>> = BTreeMap::new();
    if let Some(text) = files::read_text(&Disk, path, SIZE_LIMIT)? {
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        if reader.headers().map_err(malformed)? != header {
            return Err(RunDirError::malformed(path, format!("its columns are not {}", header.join(","))));
        }
        for record in reader.records() {
            let row: Vec<String> = record.map_err(malformed)?.iter().map(str::to_owned).collect();
            all.insert(Key::of(&row, key), row);
        }
    }
    for mut row in rows {
        let key = Key::of(&row, key);
        if let Some(before) = all.get(&key) {
            let empty = row.iter_mut().zip(before).filter(|(now, _)| now.is_empty());
            empty.for_each(|(now, before)| now.clone_from(before));
        }
        all.insert(key, row);
    }
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(header).map_err(malformed)?;
    all.values().try_for_each(|row| writer.write_record(row)).map_err(malformed)?;
    let bytes = writer.into_inner().map_err(|error| RunDirError::malformed(path, error))?;
    files::replace(&Disk, path, &bytes)
}

/// Which row: by number where the cells are numbers, else by name.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key(Vec<(i64, String)>);

impl Key {
    fn of(row: &[String], cells: usize) -> Key {
        Key(row.iter().take(cells).map(|cell| (cell.parse().unwrap_or(0), cell.clone())).collect())
    }
}

fn lock(path: &Path) -> Result<std::fs::File, RunDirError> {
    let io = |source| RunDirError::io("lock", path, source);
    let file = guard::write_or_create(path).map_err(|source| files::unusable(&Disk, "open", path, source))?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(20));
            }
            Err(TryLockError::WouldBlock) => return Err(io(std::io::ErrorKind::WouldBlock.into())),
            Err(TryLockError::Error(source)) => return Err(io(source)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> EvalSettings {
        EvalSettings::in_full("test", 1024, "2-abc")
    }

    fn scores(step: u64, weights: &str, score: f64, bits: Option<f64>) -> EvalRows<'_> {
        let mut cells = vec![step.into(), weights.into(), Cell::Missing, Cell::Float(score), Cell::Missing];
        cells.extend([1024.into(), bits.into(), Cell::Missing, Cell::Missing, Cell::Missing]);
        let level = |k: f64| {
            let mut cells = vec![step.into(), weights.into(), Cell::Float(k)];
            cells.extend([Cell::Float(0.5); 6]);
            cells
        };
        let image = |id: u64| {
            let mut cells = vec![step.into(), weights.into(), Cell::Id(id), 0.into(), Cell::Missing];
            cells.extend([Cell::Float(score), Cell::Missing, bits.into()]);
            cells
        };
        EvalRows {
            scores: cells,
            levels: vec![level(10.0), level(-1.0), level(2.0)],
            images: vec![image(u64::MAX), image(0x10)],
        }
    }

    #[test]
    fn rows_are_kept_by_step_and_weights_in_rising_order() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunDir::at(folder.path());
        let path = record(&run, &settings(), &[scores(1000, "raw", 0.4, None)]).unwrap();
        let more = [scores(200, "raw", 0.6, None), scores(1000, "ema-0.9", 0.3, Some(3.5))];
        assert_eq!(record(&run, &settings(), &more).unwrap(), path);
        // Another number was asked for this time.
        record(&run, &settings(), &[scores(1000, "ema-0.9", 0.25, None)]).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let rows: Vec<&str> = text.lines().skip(1).collect();
        assert_eq!(
            rows,
            ["200,raw,,0.6,,1024,,,,", "1000,ema-0.9,,0.25,,1024,3.5,,,", "1000,raw,,0.4,,1024,,,,"]
        );
        let levels = std::fs::read_to_string(path.with_extension("levels.csv")).unwrap();
        let nodes: Vec<&str> =
            levels.lines().skip(1).take(3).map(|row| row.split(',').nth(2).unwrap()).collect();
        assert_eq!((nodes, levels.lines().count()), (vec!["-1", "2", "10"], 10));
        let images = std::fs::read_to_string(path.with_extension("images.csv")).unwrap();
        let rows: Vec<&str> = images.lines().skip(3).take(2).collect();
        assert_eq!(rows[0], "1000,ema-0.9,x0000000000000010,0,,0.25,,3.5", "an earlier number stays");
        assert!(rows[1].starts_with("1000,ema-0.9,xffffffffffffffff,0,"), "{rows:?}");
        let written = EvalSettings::read(&path.with_extension("json")).unwrap();
        assert_eq!(written, Some(settings()));
    }

    #[test]
    fn each_way_of_asking_has_its_own_file() {
        let all = [
            settings(),
            EvalSettings { split: "val".to_owned(), ..settings() },
            EvalSettings { images: 1000, ..settings() },
            EvalSettings { stride: 4, ..settings() },
            EvalSettings { data: "2-abd".to_owned(), ..settings() },
        ];
        let mut names: Vec<String> = all.iter().map(EvalSettings::fingerprint).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), 5);
        assert_eq!(settings().fingerprint(), EvalSettings { format: 7, ..settings() }.fingerprint());
    }

    #[test]
    fn a_file_with_other_columns_is_named_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunDir::at(folder.path());
        let path = settings().path(&run);
        std::fs::create_dir(run.evals_path()).unwrap();
        std::fs::write(&path, "mine\n1\n").unwrap();
        let error = record(&run, &settings(), &[scores(1, "raw", 0.4, None)]).unwrap_err().to_string();
        assert!(error.contains(".csv") && error.contains("its columns are not step,weights"), "{error}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine\n1\n");
    }
}
