//! What a run has to show, in the order of its steps: rows of its logs under their tags, and sample grids.
//!
//! In: `timing.csv`, `metrics.csv`, `eval.csv` and `samples/`. Out: [`Item`]s, each with its time. What is not there yet
//! comes when it is.

use std::collections::BTreeSet;
use std::io::Read;
use std::time::SystemTime;

use super::event::Picture;
use super::tail::{Row, Tail};
use crate::rundir::columns::{EVAL_HEADER, METRICS_HEADER, TIMING_HEADER};
use crate::rundir::fs::{Fs, Kind};
use crate::rundir::layout::parse_step;
use crate::rundir::provenance::Provenance;
use crate::rundir::{RunDir, RunDirError, files};

/// The tag of sample grids.
pub(super) const GRID: &str = "samples";
/// Far above any grid.
const GRID_LIMIT: u64 = 256 << 20;

/// Columns of `metrics.csv` that become curves; the others are the axis itself.
const TRAIN: [&str; 8] =
    ["loss", "loss_q1", "loss_q2", "loss_q3", "loss_q4", "grad_norm", "learning_rate", "ema_decay"];
const EVAL: [&str; 3] = ["loss", "denoise_score", "denoise_bits"];
const TIME: [&str; 1] = ["images_per_second"];

/// Something to show.
#[derive(Debug)]
pub(super) enum Item {
    /// The numbers of a row, by tag.
    Scalars {
        step: u64,
        values: Vec<(String, f64)>,
    },
    Grid {
        step: u64,
        picture: Picture,
    },
}

/// Of several things of one step, which comes first: its time is known before what it is the time of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stream {
    Timing,
    Metrics,
    Eval,
    Grid,
}

#[derive(Debug)]
pub(super) struct Source<'a> {
    fs: &'a dyn Fs,
    run: RunDir,
    timing: Tail,
    metrics: Tail,
    eval: Tail,
    /// Steps whose grids are still to come.
    grids: BTreeSet<u64>,
    begun: f64,
    /// Training so far.
    seconds: f64,
}

impl<'a> Source<'a> {
    /// Opens the logs; of the grids, those up to a step: later ones are of a training that was taken back.
    pub(super) fn open(fs: &'a dyn Fs, run: &RunDir, step: u64) -> Result<Source<'a>, RunDirError> {
        let grids = files::names_in(fs, &run.samples_path())?;
        let grids = grids.iter().filter_map(|name| parse_step(name.to_str()?.strip_suffix(".png")?));
        Ok(Source {
            fs,
            timing: Tail::open(fs, run.timing_path(), TIMING_HEADER)?,
            metrics: Tail::open(fs, run.metrics_path(), METRICS_HEADER)?,
            eval: Tail::open(fs, run.eval_path(), EVAL_HEADER)?,
            grids: grids.filter(|found| *found <= step).collect(),
            begun: begun(run),
            seconds: 0.0,
            run: run.clone(),
        })
    }

    /// When the run's first attempt began, in seconds since 1970.
    pub(super) fn begun(&self) -> f64 {
        self.begun
    }

    /// The time of what comes next.
    pub(super) fn now(&self) -> f64 {
        self.begun + self.seconds
    }

    /// Looks for the grid of a step.
    pub(super) fn grid_of(&mut self, step: u64) {
        if self.fs.entry(&self.run.sample_path(step)).is_ok_and(|found| found.kind == Kind::File) {
            self.grids.insert(step);
        }
    }

    /// The next thing of the earliest step.
    pub(super) fn next(&mut self) -> Result<Option<(f64, Item)>, RunDirError> {
        loop {
            let heads = [
                self.timing.peek()?.map(|step| (step, Stream::Timing)),
                self.metrics.peek()?.map(|step| (step, Stream::Metrics)),
                self.eval.peek()?.map(|step| (step, Stream::Eval)),
                self.grids.first().map(|step| (*step, Stream::Grid)),
            ];
            let Some((step, from)) = heads.into_iter().flatten().min() else { return Ok(None) };
            let item = match from {
                Stream::Timing => self.timing.take().map(|row| {
                    self.seconds += row.number("seconds").filter(|seconds| *seconds > 0.0).unwrap_or(0.0);
                    scalars(&row, "time", &TIME)
                }),
                Stream::Metrics => self.metrics.take().map(|row| scalars(&row, "train", &TRAIN)),
                Stream::Eval => {
                    self.eval.take().map(|row| scalars(&row, &format!("eval/{}", row.text("weights")), &EVAL))
                }
                Stream::Grid => self.grid(step),
            };
            if let Some(item) = item {
                return Ok(Some((self.now(), item)));
            }
        }
    }

    /// A grid, or nothing where it cannot be shown: one picture less is no reason to end the curves.
    fn grid(&mut self, step: u64) -> Option<Item> {
        self.grids.remove(&step);
        let path = self.run.sample_path(step);
        let mut png = Vec::new();
        let read = self.fs.open(&path).and_then(|file| file.take(GRID_LIMIT).read_to_end(&mut png));
        let picture = match read {
            Ok(_) => Picture::of(png).ok_or_else(|| "it is no PNG file".to_owned()),
            Err(error) => Err(error.to_string()),
        };
        picture
            .map(|picture| Item::Grid { step, picture })
            .inspect_err(|reason| {
                tracing::warn!(path = %path.display(), reason, "TensorBoard gets no picture of this grid");
            })
            .ok()
    }
}

/// The defined numbers of a row.
fn scalars(row: &Row, group: &str, columns: &[&str]) -> Item {
    let value = |column: &&str| Some((format!("{group}/{column}"), row.number(column)?));
    Item::Scalars { step: row.step, values: columns.iter().filter_map(value).collect() }
}

/// The first attempt's start; now, where nothing says it.
fn begun(run: &RunDir) -> f64 {
    let provenance = Provenance::read(run).ok();
    let first = provenance.as_ref().and_then(|known| known.attempts.first());
    let started = first.and_then(|first| chrono::DateTime::parse_from_rfc3339(&first.started).ok());
    let now = || SystemTime::UNIX_EPOCH.elapsed().map_or(0.0, |since| since.as_secs_f64());
    started.map_or_else(now, |started| started.timestamp_millis() as f64 / 1e3)
}
