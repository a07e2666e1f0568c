//! `ablate data check [NAME|EXPERIMENT]`: opens data sets as a run would.
//!
//! In: a data set's name, an experiment, or nothing for every data set that is here. Out: the splits, the
//! fingerprint and the time that took, on standard output; the image cache is built where there is none.

use std::path::{Path, PathBuf};
use std::time::Instant;

use serde::Serialize;

use super::{DataDir, native, with_causes};
use crate::cli::experiment_args::environment;
use crate::cli::failure::{ExitCode, Failure, exit};
use crate::cli::output::print;
use crate::config::{Data, Experiment, Request};
use crate::data::fetch::{Catalogue, Entry};
use crate::data::{self, DataSet, Error};
use crate::guard::{escape_json, printable};
use crate::plan::Plan;

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
    /// Images that had to be decoded; none where the cache had them.
    decoded: usize,
    /// Time of decoding, or of verifying the cache.
    seconds: f64,
    /// Images decoded in a second.
    images_per_second: Option<f64>,
    notes: Vec<String>,
}

fn open(target: &Target) -> Result<Report, Failure> {
    let Target { data, data_dir } = target;
    let begun = Instant::now();
    let opened = data::open(data, data_dir).map_err(|error| failure(&error))?;
    let seconds = begun.elapsed().as_secs_f64();
    Ok(Report::of(data, opened, seconds))
}

fn failure(error: &Error) -> Failure {
    let text: String = with_causes(error).lines().map(printable).collect::<Vec<_>>().join("\n");
    let code = if matches!(error, Error::Io { .. }) { exit::STORAGE } else { exit::USER };
    Failure::new(text, code)
}

fn shown(path: &Path) -> String {
    printable(&path.display().to_string())
}

impl Report {
    fn of(data: &Data, opened: DataSet, seconds: f64) -> Self {
        let shape = opened.shape();
        let [train, val, test] = [&opened.train, &opened.val, &opened.test].map(data::Split::len);
        Self {
            dataset: data.dataset.name(),
            train,
            val,
            test,
            channels: shape.channels,
            height: shape.height,
            width: shape.width,
            fingerprint: opened.fingerprint,
            decoded: opened.decoded,
            seconds,
            images_per_second: (opened.decoded > 0).then(|| opened.decoded as f64 / seconds.max(1e-9)),
            notes: opened.notes,
        }
    }

    fn text(&self) -> String {
        let Self { dataset, train, val, test, channels, height, width, fingerprint, seconds, .. } = self;
        let how = match self.images_per_second {
            Some(speed) => format!("{} decoded in {seconds:.2} s, {speed:.0} images/s", self.decoded),
            None => format!("in the cache, verified in {seconds:.2} s"),
        };
        let colour = if *channels == 1 { "grey" } else { "RGB" };
        let mut text = format!(
            "{dataset}: {train} train, {val} val, {test} test images, {width} x {height} {colour}\n  \
             {how}\n  fingerprint {fingerprint}\n"
        );
        for note in &self.notes {
            text.push_str(&format!("  note: {}\n", printable(note)));
        }
        text
    }
}
