//! `ablate data check [NAME|EXPERIMENT]`: opens data sets as a run would.
//!
//! In: a data set's name, an experiment, or nothing for every data set that is here. Out: the splits, the
//! fingerprint and the time that took, on standard output; the image cache is built where there is none.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Instant, SystemTime};

use serde::Serialize;

use super::{DataDir, native, with_causes};
use crate::cli::experiment_args::environment;
use crate::cli::failure::{Failure, exit};
use crate::cli::output::print;
use crate::config::{Data, Experiment, Request};
use crate::data::fetch::{Catalogue, Entry};
use crate::data::{self, DataSet, Error};
use crate::plan::Plan;
use crate::report::terminal::{clean, escape_json};

/// `ablate data check`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A data set, or an experiment whose data is checked; default: every data set that is here
    #[arg(value_name = "NAME|EXPERIMENT")]
    target: Option<PathBuf>,
    #[command(flatten)]
    data_dir: DataDir,
    /// Set a key of the experiment: -s data.image_size=16; may be repeated
    #[arg(short = 's', long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Print JSON, for programs
    #[arg(long)]
    json: bool,
}

/// One `[data]` and where its files are.
struct Target {
    data: Data,
    data_dir: PathBuf,
}

/// Runs the command.
pub(crate) fn exec(args: &Args) -> Result<ExitCode, Failure> {
    let targets = targets(args)?;
    let mut found = Vec::new();
    for target in &targets {
        let report = open(target)?;
        if !args.json {
            print(&report.text())?;
        }
        found.push(report);
    }
    if args.json {
        let text = serde_json::to_string_pretty(&found).map_err(Failure::internal)?;
        print(&format!("{}\n", escape_json(&text)))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn targets(args: &Args) -> Result<Vec<Target>, Failure> {
    let catalogue = Catalogue::built_in();
    let Some(target) = &args.target else {
        no_settings(args)?;
        return here(&catalogue, args);
    };
    let name = target.to_str().unwrap_or_default();
    let Ok(entry) = catalogue.find(name) else { return of_experiment(target, &catalogue, args) };
    no_settings(args)?;
    let settings = args.data_dir.settings()?;
    match native(entry, &settings.data) {
        Some(data) => Ok(vec![Target { data, data_dir: settings.runtime.data_dir }]),
        None => Err(Failure::user("which folder is to be checked depends on the experiment")
            .with_help("write an experiment with data.dataset = \"folder\" and data.root, and check that")),
    }
}

fn no_settings(args: &Args) -> Result<(), Failure> {
    match args.set.first() {
        Some(setting) => Err(Failure::user(format!("-s {setting} sets a key of an experiment"))
            .with_help("name an experiment to be checked")),
        None => Ok(()),
    }
}

/// Every data set of which something is here.
fn here(catalogue: &Catalogue, args: &Args) -> Result<Vec<Target>, Failure> {
    let settings = args.data_dir.settings()?;
    let data_dir = &settings.runtime.data_dir;
    let is_here = |entry: &&Entry| entry.files.is_empty() || data_dir.join(&entry.name).is_dir();
    let data = catalogue.entries().iter().filter(is_here).filter_map(|entry| native(entry, &settings.data));
    Ok(data.map(|data| Target { data, data_dir: data_dir.clone() }).collect())
}

/// What the variants of an experiment would open, each once.
fn of_experiment(path: &Path, catalogue: &Catalogue, args: &Args) -> Result<Vec<Target>, Failure> {
    if !path.exists() {
        let names: Vec<&str> = catalogue.entries().iter().map(|entry| entry.name.as_str()).collect();
        return Err(Failure::user(format!("{} is neither a data set nor a file", shown(path)))
            .with_help(format!("the data sets are {}", names.join(", "))));
    }
    let request = Request {
        experiment: path.to_owned(),
        set: args.set.clone(),
        environment: environment(),
        ..Request::default()
    };
    let experiment = Experiment::load(&request)?;
    let plan = Plan::build(&experiment)?;
    let mut targets: Vec<Target> = Vec::new();
    for variant in &plan.variants {
        let data = &variant.config.data;
        if targets.iter().all(|target| target.data != *data) {
            let data_dir = args.data_dir.data_dir.clone();
            let data_dir = data_dir.unwrap_or_else(|| variant.config.runtime.data_dir.clone());
            targets.push(Target { data: data.clone(), data_dir });
        }
    }
    Ok(targets)
}

/// What opening a data set came to.
#[derive(Debug, Serialize)]
struct Report {
    dataset: &'static str,
    train: usize,
    val: usize,
    test: usize,
    channels: usize,
    height: usize,
    width: usize,
    fingerprint: String,
    /// Whether the images had to be decoded; else they were in the cache.
    decoded: bool,
    seconds: f64,
    /// Images decoded, or verified in the cache, in a second.
    images_per_second: f64,
    notes: Vec<String>,
}

fn open(target: &Target) -> Result<Report, Failure> {
    let Target { data, data_dir } = target;
    let before = cache_files(data_dir);
    let begun = Instant::now();
    let opened = data::open(data, data_dir).map_err(|error| failure(&error, data))?;
    let seconds = begun.elapsed().as_secs_f64();
    // Without a new file in the cache the images were in it, unless the cache cannot be written.
    let decoded = cache_files(data_dir) != before || before.is_empty();
    Ok(Report::of(data, opened, decoded, seconds))
}

/// Names and times of change in the cache.
fn cache_files(data_dir: &Path) -> BTreeSet<(OsString, Option<SystemTime>)> {
    let entries = std::fs::read_dir(data_dir.join("cache")).into_iter().flatten().flatten();
    let modified = |entry: &std::fs::DirEntry| entry.metadata().ok()?.modified().ok();
    entries.map(|entry| (entry.file_name(), modified(&entry))).collect()
}

fn failure(error: &Error, data: &Data) -> Failure {
    let mut text: String =
        with_causes(error).lines().map(|line| clean(line).into_owned()).collect::<Vec<_>>().join("\n");
    let name = data.dataset.name();
    let catalogue = Catalogue::built_in();
    let fetched = catalogue.find(name).is_ok_and(|entry| !entry.files.is_empty());
    if matches!(error, Error::Missing { .. }) && fetched && !text.contains("ablate data fetch") {
        text.push_str(&format!("\n  help: `ablate data fetch {name}` brings the files"));
    }
    let code = if matches!(error, Error::Io { .. }) { exit::STORAGE } else { exit::USER };
    Failure::new(text, code)
}

fn shown(path: &Path) -> String {
    clean(&path.display().to_string()).into_owned()
}

impl Report {
    fn of(data: &Data, opened: DataSet, decoded: bool, seconds: f64) -> Self {
        let shape = opened.shape();
        let [train, val, test] = [&opened.train, &opened.val, &opened.test].map(data::Split::len);
        let images = (train + val + test) as f64;
        Self {
            dataset: data.dataset.name(),
            train,
            val,
            test,
            channels: shape.channels,
            height: shape.height,
            width: shape.width,
            fingerprint: opened.fingerprint,
            decoded,
            seconds,
            images_per_second: images / seconds.max(1e-9),
            notes: opened.notes,
        }
    }

    fn text(&self) -> String {
        let Self { dataset, train, val, test, channels, height, width, fingerprint, seconds, .. } = self;
        let how = match self.decoded {
            true => format!("decoded in {seconds:.2} s, {:.0} images/s", self.images_per_second),
            false => format!("in the cache, verified in {seconds:.2} s"),
        };
        let colour = if *channels == 1 { "grey" } else { "RGB" };
        let mut text = format!(
            "{dataset}: {train} train, {val} val, {test} test images, {width} x {height} {colour}\n  \
             {how}\n  fingerprint {fingerprint}\n"
        );
        for note in &self.notes {
            text.push_str(&format!("  note: {}\n", clean(note)));
        }
        text
    }
}
