//! `ablate bench --calibrate`: what work costs on this machine, measured once, so that a plan can tell its hours.
//!
//! In: settings of `runtime`, and about how long it may take. Out: a [`Calibration`], stored in the user's cache folder
//! and printed. `networks` are what is measured, `crew` the processes that do it, `worker` one of them, `protocol` what
//! they say to each other, `text` what people read.

mod crew;
mod networks;
mod protocol;
mod text;
mod worker;

use chrono::Utc;

use super::target::TargetArgs;
use super::{Machine, load_average};
use crate::calibration::{self, Calibration, Layout, MeasuredNetwork, Store};
use crate::cli::experiment_args::Layers;
use crate::cli::failure::Failure;
use crate::cli::output::{note, warn};
use crate::config::{Config, Precision};
use crate::guard::printable;
use crate::launch::Slots;
use crate::memory::{Fitting, Room};
use crate::sizing::{Overheads, Rates, Sample, leave_one_out};
use crate::train::bench::{Saving, Times};
use crate::train::{libtorch_version, precision};
use crew::Crew;
use networks::{Subject, subjects};
use protocol::{Answer, Task};

pub(super) use text::text;
pub(in crate::cli) use worker::exec as exec_worker;

/// Share of the time that is left for measuring beside starting processes and making networks.
const SHARE_TO_MEASURE: f64 = 0.6;
/// Above so many processes that want a core, times are those of a machine that does something else.
const BUSY: f64 = 0.5;

/// What was measured, and where it is now.
pub(super) struct Calibrated {
    pub(super) machine: Machine,
    pub(super) calibration: Calibration,
    pub(super) path: std::path::PathBuf,
}

/// Measures and stores.
pub(super) fn calibrate(target: &TargetArgs, seconds: f64) -> Result<Calibrated, Failure> {
    let layers = target.runtime_layers()?;
    // Before minutes are spent: there is a place to keep what they find.
    calibration::path().ok_or(calibration::CalibrationError::NoFolder).map_err(Failure::user)?;
    let machine = Machine::here();
    if let Some(load) = load_average().filter(|load| *load > BUSY) {
        warn(format_args!(
            "other programs kept {load:.1} cores busy in the last minute; times may come out too long"
        ));
    }
    let measurement = Measurement::begin(layers, seconds)?;
    let layouts = measurement.layouts()?;
    let calibration = Calibration {
        machine: calibration::Machine::here(&measurement.device, Some(libtorch_version())),
        is_auto: measurement.wanted == "auto",
        measured: Utc::now(),
        layouts,
        runs: vec![],
    };
    let path = Store::change(true, |store| store.put(calibration.clone())).map_err(Failure::internal)?;
    Ok(Calibrated { machine, calibration, path })
}

/// A calibration under way.
struct Measurement {
    seconds: f64,
    /// As the configuration has it.
    wanted: String,
    /// What that is here.
    device: String,
    on_accelerator: bool,
    /// By precision.
    groups: Vec<Group>,
    overheads: Overheads,
}

/// What is measured in the same processes.
struct Group {
    /// Variables that these are started with.
    environment: Vec<(&'static str, String)>,
    subjects: Vec<Subject>,
}

impl Measurement {
    /// Finds the device and what can be measured on it; measures the start of a process, and a checkpoint.
    fn begin(layers: &Layers, seconds: f64) -> Result<Measurement, Failure> {
        let first = subjects(layers, Precision::F32, false, false)?.swap_remove(0);
        let (wanted, threads) =
            (first.config.runtime.device.to_string(), Slots::alone(&first.config.runtime).threads);
        let mut crew = Crew::start(1, threads, &wanted, &[])?;
        let config = Box::new(first.config.clone());
        crew.ask(&Task::Times { config: config.clone(), images: first.forward_images, seconds: 0.0 })?;
        let start_seconds = crew.age();
        let device = crew.device.clone();
        let on_accelerator = device != "cpu";
        let mut groups = vec![];
        for precision in precisions(&device) {
            let few = !on_accelerator && precision != Precision::F32;
            let subjects = subjects(layers, precision, on_accelerator, few)?;
            match precision::environment(&subjects[0].config, None) {
                Ok(environment) => groups.push(Group { environment, subjects }),
                Err(refusal) => note(format_args!("{refusal}; it is left out")),
            }
        }
        let largest = subjects(layers, Precision::F32, false, false)?.swap_remove(1);
        let saving = save(&mut crew, &largest.config)?;
        let save_seconds_per_byte = saving.seconds / saving.bytes.max(1) as f64;
        let overheads = Overheads { start_seconds, save_seconds_per_byte };
        Ok(Measurement { seconds, wanted, device, on_accelerator, groups, overheads })
    }

    /// One worker with every thread; on a CPU with several cores then as many workers as a large sweep has.
    fn layouts(&self) -> Result<Vec<Layout>, Failure> {
        let configs: Vec<&Config> = self.subjects().map(|subject| &subject.config).collect();
        let runtime = &configs[0].runtime;
        let alone = Slots::alone(runtime);
        let mut sizes = vec![(1, alone.threads)];
        if !self.on_accelerator {
            let cores = std::thread::available_parallelism().map_or(1, usize::from);
            let many = Slots::choose(runtime, cores, || Fitting::of(configs.iter().copied(), Room::shared()));
            if many.jobs > 1 && many.threads < alone.threads {
                sizes.push((many.jobs, many.threads));
            }
        }
        let tasks = configs.len() * sizes.len();
        let each = self.seconds * SHARE_TO_MEASURE / tasks as f64;
        sizes.into_iter().map(|(workers, threads)| self.layout(workers, threads, each)).collect()
    }

    fn subjects(&self) -> impl Iterator<Item = &Subject> {
        self.groups.iter().flat_map(|group| &group.subjects)
    }

    fn layout(&self, workers: usize, threads: usize, seconds: f64) -> Result<Layout, Failure> {
        let plural = |count: usize| if count == 1 { "" } else { "s" };
        note(format_args!(
            "{} networks on {} in {workers} process{} of {threads} thread{}",
            self.subjects().count(),
            self.device,
            if workers == 1 { "" } else { "es at a time" },
            plural(threads)
        ));
        let mut samples = vec![];
        for Group { environment, subjects } in &self.groups {
            let mut crew = Crew::start(workers, threads, &self.wanted, environment)?;
            for subject in subjects {
                samples.push(self.sample(&mut crew, subject, seconds)?);
            }
        }
        let errors = leave_one_out(&samples);
        let networks =
            self.subjects().zip(&samples).zip(errors).map(|((subject, sample), errors)| MeasuredNetwork {
                name: subject.name.clone(),
                step_seconds: sample.step_seconds,
                forward_seconds: sample.forward_seconds,
                left_out_errors: errors,
            });
        let networks = networks.collect();
        Ok(Layout { workers, threads, rates: Rates::fit(&samples).with_overheads(self.overheads), networks })
    }

    /// The median over all processes.
    fn sample(&self, crew: &mut Crew, subject: &Subject, seconds: f64) -> Result<Sample, Failure> {
        let config = Box::new(subject.config.clone());
        let answers = crew.ask(&Task::Times { config, images: subject.forward_images, seconds })?;
        let times: Vec<Times> = answers
            .into_iter()
            .filter_map(|answer| match answer {
                Answer::Times(times) => Some(times),
                Answer::Saved(_) => None,
            })
            .collect();
        let mut config = subject.config.clone();
        config.runtime.device = self.device.parse().map_err(Failure::internal)?;
        Ok(Sample {
            config,
            step_seconds: median(times.iter().map(|times| times.step_seconds)),
            forward_images: subject.forward_images as u64,
            forward_seconds: median(times.iter().map(|times| times.forward_seconds)),
        })
    }
}

/// Those that a device may have instructions for.
fn precisions(device: &str) -> Vec<Precision> {
    match device {
        device if device.starts_with("cuda") => vec![Precision::F32, Precision::Tf32, Precision::Bf16],
        _ => vec![Precision::F32, Precision::Bf16],
    }
}

/// Writes a checkpoint where runs are kept, or where the temporary files are if that cannot be written.
fn save(crew: &mut Crew, config: &Config) -> Result<Saving, Failure> {
    let runs = config.runtime.runs_dir.ancestors().find(|folder| folder.is_dir());
    let folder = runs.and_then(|runs| tempfile::tempdir_in(runs).ok());
    let folder = folder.map_or_else(tempfile::tempdir, Ok);
    let folder =
        folder.map_err(|error| Failure::internal(format!("cannot make a temporary folder: {error}")))?;
    let task = Task::Save { config: Box::new(config.clone()), folder: folder.path().to_owned() };
    match crew.ask(&task)?.first() {
        Some(Answer::Saved(saving)) => Ok(*saving),
        _ => Err(Failure::internal("a measuring process wrote no checkpoint")),
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

impl TargetArgs {
    /// Settings that say where to measure; what to measure is not the user's choice.
    fn runtime_layers(&self) -> Result<&Layers, Failure> {
        let layers = self.layers();
        let other = layers.set.iter().find(|setting| !setting.trim_start().starts_with("runtime."));
        match other {
            None => Ok(layers),
            Some(setting) => Err(Failure::user(format!(
                "--calibrate measures networks of its own, so that {} says nothing",
                printable(setting)
            ))
            .with_help("-s takes runtime keys here, such as runtime.device=cpu")),
        }
    }
}
