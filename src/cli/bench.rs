//! `ablate bench`: how fast this machine trains a configuration, and where the time of a step goes; makes no run.
//!
//! In: an experiment, presets, or nothing (the built-in defaults), with settings laid over. Out: a table or JSON on
//! standard output. `--calibrate` measures networks of its own once, so that `plan` can tell hours; `--scheduler` measures what planning and starting runs costs, with workers that do nothing.

#[cfg(feature = "torch")]
pub(super) mod calibrate;
mod scheduler;
mod scheduler_text;
#[cfg(feature = "torch")]
mod step;
#[cfg(feature = "torch")]
mod step_text;
mod target;

use serde::Serialize;

use super::failure::{ExitCode, Failure};
use super::output::print;
use crate::rundir::provenance::Attempt;

/// Version of the JSON.
const FORMAT: u32 = 1;

/// Options of `ablate bench`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    target: target::TargetArgs,

    /// Steps that count.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    steps: u32,

    /// Steps before them, which fill caches and choose kernels.
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(0..=100_000))]
    warmup: u32,

    /// Threads inside one operation (runtime.threads); 0: every core.
    #[arg(long, value_name = "N")]
    threads: Option<usize>,

    /// Read the configuration's data set as training does, instead of images drawn beforehand.
    #[arg(long)]
    data: bool,

    /// Measure the step alone: neither what averages cost nor each operation by itself.
    #[arg(long)]
    step_only: bool,

    /// Print JSON, for programs.
    #[arg(long)]
    json: bool,

    /// Measure networks of its own instead, once for this machine: `ablate plan` tells hours from then on. Of the settings
    /// only those of runtime count, such as -s runtime.device=cpu.
    #[arg(long, conflicts_with_all = ["words", "files", "pin", "variant", "steps", "warmup", "threads", "data", "step_only", "scheduler", "runs", "points"])]
    calibrate: bool,

    /// About how long that may take, with --calibrate [default: 120].
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=36_000))]
    seconds: Option<u32>,

    /// Measure the scheduler instead: planning, and starting runs whose workers do nothing.
    #[arg(long, conflicts_with_all = ["words", "files", "set", "pin", "variant", "steps", "warmup", "threads", "data", "step_only"])]
    scheduler: bool,

    /// Runs to start, with --scheduler [default: 1000].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    runs: Option<u32>,

    /// Points to plan, rounded up to a square, with --scheduler [default: 10000].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    points: Option<u32>,
}

/// Runs the command.
pub(crate) fn exec(args: Args) -> Result<ExitCode, Failure> {
    if args.scheduler {
        let runs = args.runs.unwrap_or(1000) as usize;
        let points = args.points.unwrap_or(10_000) as usize;
        let report = scheduler::measure(runs, points)?;
        let text = match args.json {
            true => json(&report)?,
            false => scheduler_text::text(&report),
        };
        print(&text)?;
        return Ok(ExitCode::SUCCESS);
    }
    // The parser would not ask for a flag that conflicts with what is there.
    if args.runs.or(args.points).is_some() {
        return Err(Failure::user("--runs and --points are of --scheduler, which was not asked for"));
    }
    if args.calibrate {
        return calibrate(&args);
    }
    if args.seconds.is_some() {
        return Err(Failure::user("--seconds is of --calibrate, which was not asked for"));
    }
    step(&args)
}

#[cfg(not(feature = "torch"))]
fn calibrate(_: &Args) -> Result<ExitCode, Failure> {
    Err(super::failure::without_torch("train, so there is nothing to calibrate"))
}

/// Seconds that a calibration takes unless told otherwise.
#[cfg(feature = "torch")]
const CALIBRATION_SECONDS: u32 = 120;

#[cfg(feature = "torch")]
fn calibrate(args: &Args) -> Result<ExitCode, Failure> {
    let seconds = args.seconds.unwrap_or(CALIBRATION_SECONDS);
    let calibrated = calibrate::calibrate(&args.target, f64::from(seconds))?;
    let text = match args.json {
        true => json(&calibrated.calibration)?,
        false => calibrate::text(&calibrated),
    };
    print(&text)?;
    Ok(ExitCode::SUCCESS)
}

#[cfg(not(feature = "torch"))]
fn step(args: &Args) -> Result<ExitCode, Failure> {
    args.target.resolve()?;
    Err(super::failure::without_torch("train, so there is no step to measure"))
}

#[cfg(feature = "torch")]
fn step(args: &Args) -> Result<ExitCode, Failure> {
    let target = args.target.resolve()?;
    let measured = step::measure(args, target)?;
    let text = match args.json {
        true => json(&measured)?,
        false => step_text::text(&measured),
    };
    print(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn json(report: &impl Serialize) -> Result<String, Failure> {
    let text = serde_json::to_string_pretty(report).map_err(Failure::internal)?;
    Ok(text + "\n")
}

/// What measured, and where.
#[derive(Debug, Clone, Serialize)]
struct Machine {
    /// RFC 3339, UTC.
    started: String,
    host: String,
    /// Model and instruction sets.
    cpu: String,
    cores: usize,
    /// Version of this program, and the commit it was built from.
    version: String,
    code_revision: String,
    code_dirty: bool,
    command: Vec<String>,
    /// Processes that wanted a core in the last minute: above the threads measured with, others disturbed.
    load_average: Option<f64>,
}

impl Machine {
    fn here() -> Machine {
        let found = Attempt::of_this_process();
        Machine {
            started: found.started,
            host: found.host,
            cpu: found.cpu,
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            version: found.version,
            code_revision: found.code_revision,
            code_dirty: found.code_dirty,
            command: found.command,
            load_average: load_average(),
        }
    }

    /// One line for people.
    fn line(&self) -> String {
        let load =
            self.load_average.map(|load| format!(", load {load:.1} when it began")).unwrap_or_default();
        let cores = self.cores;
        format!("{}, {cores} core{}{load}", self.cpu, if cores == 1 { "" } else { "s" })
    }
}

/// Of the last minute, where the system tells.
fn load_average() -> Option<f64> {
    std::fs::read_to_string("/proc/loadavg").ok()?.split_whitespace().next()?.parse().ok()
}
