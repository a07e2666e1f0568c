//! A training without a network, on a simulated disk: every file operation of a real one, in the same order.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::rundir::columns::{EVAL_HEADER, IMAGES_HEADER, LEVELS_HEADER, METRICS_HEADER, TIMING_HEADER};
use crate::rundir::csv_log::Cell as CsvCell;
use crate::rundir::fs::{Fs, simulated::Simulated};
use crate::rundir::{Best, CsvLog, Journal, Owner, Retention, RunDir, RunDirError, files};

const STEPS: u64 = 9;
const SAVE_EVERY: u64 = 2;
/// The evaluation after this step is the best, and none after it.
const BEST: u64 = 3;
const PINNED: &[u64] = &[4];
const RETENTION: Retention<'static> = Retention { keep: 2, pinned: PINNED };

pub(super) fn run() -> RunDir {
    RunDir::at("x/v-1f3a9c02/seed-0")
}

pub(super) fn owner() -> Owner {
    Owner { run_id: "1f3a9c02".to_owned(), seed: 0 }
}

/// What a step leaves: as the weights of a real one, a function of the step.
pub(super) fn weights(step: u64) -> Vec<u8> {
    blake3::hash(&step.to_le_bytes()).as_bytes().repeat(3)
}

/// A row whose cells are functions of the step.
fn append(log: &mut CsvLog<'_>, columns: &[&str], step: u64) -> Result<(), RunDirError> {
    let mut row = vec![CsvCell::Float(step as f64 / 10.0); columns.len()];
    row[0] = step.into();
    log.append(&row)
}

/// Why an attempt ended early.
#[derive(Debug)]
pub(super) enum Ended {
    /// The disk said no, or the power is off.
    Disk(RunDirError),
    /// Something that was safe is not.
    Broken(String),
}

impl From<RunDirError> for Ended {
    fn from(error: RunDirError) -> Ended {
        Ended::Disk(error)
    }
}

/// What the outside was told to be safe.
#[derive(Default)]
pub(super) struct Told {
    /// Step of the newest checkpoint whose save returned.
    pub(super) saved: Cell<u64>,
    /// Steps that must never go: best and pinned ones, once saved.
    pub(super) precious: RefCell<BTreeSet<u64>>,
    pub(super) done: Cell<bool>,
}

/// A training without a network: everything the worker does to its folder, in the same order.
pub(super) fn train(disk: &Simulated, attempt: u32, told: &Told) -> Result<(), Ended> {
    let run = run();
    files::create_dir(disk, run.path())?;
    let (mut journal, latest) = Journal::open(disk, &run, owner(), attempt, RETENTION)?;
    if let Some((path, reason)) = latest.damaged.first() {
        return Err(Ended::Broken(format!(
            "half a checkpoint has the name of one: {}: {reason}",
            path.display()
        )));
    }
    let mut step = latest.checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.step);
    if step < told.saved.get() {
        return Err(Ended::Broken(format!("the checkpoint of step {} is lost", told.saved.get())));
    }
    let mut best = latest.checkpoint.and_then(|checkpoint| checkpoint.manifest.best);
    while step < STEPS {
        step += 1;
        append(&mut journal.metrics, METRICS_HEADER, step)?;
        append(&mut journal.timing, TIMING_HEADER, step)?;
        let mut improved = false;
        if step.is_multiple_of(3) {
            append(&mut journal.levels, LEVELS_HEADER, step)?;
            append(&mut journal.images, IMAGES_HEADER, step)?;
            append(&mut journal.eval, EVAL_HEADER, step)?;
            improved = step == BEST;
            best = if improved { Some(Best { step, value: 0.5, metric: None }) } else { best };
        }
        if step.is_multiple_of(SAVE_EVERY) || improved || step == STEPS {
            journal.save(step, best, |folder| {
                files::create_with(disk, &folder.join("model.safetensors"), |file| {
                    file.write_all(&weights(step))
                })?;
                files::create(disk, &folder.join("progress.json"), step.to_string().as_bytes())
            })?;
            told.saved.set(step);
            let precious = |step: &u64| PINNED.contains(step) || Some(*step) == best.map(|best| best.step);
            told.precious.borrow_mut().extend(Some(step).filter(precious));
        }
    }
    files::replace(disk, &run.status_path(), b"done")?;
    told.done.set(true);
    Ok(())
}

/// Every file of the disk with its content.
pub(super) fn tree(disk: &Simulated) -> BTreeMap<PathBuf, Vec<u8>> {
    let (mut found, mut folders) = (BTreeMap::new(), vec![PathBuf::new()]);
    while let Some(folder) = folders.pop() {
        for name in disk.names(&folder).unwrap() {
            let path = folder.join(name);
            match disk.open(&path) {
                Ok(mut file) => {
                    let mut content = Vec::new();
                    file.read_to_end(&mut content).unwrap();
                    found.insert(path, content);
                }
                Err(_) => folders.push(path),
            }
        }
    }
    found
}

/// The whole rows of a log and of what was moved out of it.
pub(super) fn rows(disk: &Simulated, stem: &str) -> BTreeSet<Vec<u8>> {
    let ours = |path: &Path| path.file_name().unwrap().to_string_lossy().starts_with(stem);
    let logs =
        tree(disk).into_iter().filter(|(path, _)| path.extension().is_some_and(|e| e == "csv") && ours(path));
    let lines = logs.flat_map(|(_, content)| {
        content.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect::<Vec<_>>()
    });
    lines.filter(|line| line.ends_with(b"\n") && !line.contains(&0)).collect()
}
