//! `ablate schedule`: what a noise schedule does to an image, before anything is trained with it.
//!
//! In: the schedules of an experiment's variants, or those named by the flags. Out: a table with a verdict on each,
//! CSV with every timestep, or a picture; writes nothing but the file it is told to.

mod guidance;
mod picture;
mod table;
mod words;

use std::collections::{BTreeSet, HashSet};
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

use crate::cli::experiment_args::environment;
use crate::cli::failure::{ExitCode, Failure, exit};
use crate::cli::output::{print, print_bytes};
use crate::config::{self, Diffusion, Experiment, NoiseSchedule, Request};
use crate::diffusion::Schedule;
use crate::guard::printable;
use crate::plan::Plan;
use crate::rundir::csv_log::float;
use crate::rundir::{Disk, files};
use words::Shown;

/// `ablate schedule`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Show the schedules of this experiment's variants; with --noise-schedule or --timesteps, those, with its
    /// other settings and without its sweep.
    #[arg(value_name = "EXPERIMENT")]
    experiment: Option<PathBuf>,

    /// Lay another file over the settings; may be repeated.
    #[arg(short = 'f', long = "file", value_name = "FILE")]
    files: Vec<PathBuf>,

    /// Set a key, such as -s diffusion.beta_end=0.01; may be repeated.
    #[arg(short = 's', long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,

    /// Shape of beta over t; may be repeated, or a list with commas.
    #[arg(long, value_name = "SHAPE", value_delimiter = ',', value_enum)]
    noise_schedule: Vec<NoiseSchedule>,

    /// Length of the chain; may be repeated, or a list with commas. Every shape is shown at every length.
    #[arg(long, value_name = "N", value_delimiter = ',', value_parser = clap::value_parser!(u32).range(2..=1_000_000))]
    timesteps: Vec<u32>,

    /// Show these timesteps, counted from 0, and no others; may be repeated, or a list with commas. A picture marks them.
    #[arg(long, value_name = "T", value_delimiter = ',', allow_negative_numbers = true)]
    at: Vec<usize>,

    /// How to show: a table of some timesteps, CSV with every one, or a picture of the curves.
    #[arg(long, value_enum, default_value_t)]
    format: Format,

    /// Write to this file instead of standard output.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, Default, clap::ValueEnum)]
enum Format {
    #[default]
    Table,
    Csv,
    Png,
}

/// Runs the command.
pub(crate) fn exec(args: Args) -> Result<ExitCode, Failure> {
    let chosen =
        match args.experiment.is_some() && args.noise_schedule.is_empty() && args.timesteps.is_empty() {
            true => planned(&args)?,
            false => named(&args)?,
        };
    let mut seen = HashSet::new();
    let different = chosen.into_iter().filter(|diffusion| seen.insert(key(diffusion)));
    let computed = different.map(|diffusion| {
        let schedule = Schedule::new(&diffusion).map_err(Failure::user)?;
        Ok(Shown { diffusion, schedule })
    });
    let shown = computed.collect::<Result<Vec<Shown>, Failure>>()?;
    let at = timesteps_at(&args.at, &shown)?;
    let bytes = match args.format {
        Format::Table => table::table(&shown, &at).into_bytes(),
        Format::Csv => csv(&shown, &at).into_bytes(),
        Format::Png => picture::png(&shown, &at)?,
    };
    match args.output {
        Some(path) => write(&path, &bytes)?,
        None if matches!(args.format, Format::Png) && io::stdout().is_terminal() => {
            return Err(Failure::user("a terminal cannot show a PNG file")
                .with_help("name a file with -o schedules.png, or redirect the output to one"));
        }
        None => print_bytes(&bytes)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The chosen timesteps in their order, each once; at least one schedule has each.
fn timesteps_at(chosen: &[usize], shown: &[Shown]) -> Result<Vec<usize>, Failure> {
    let longest = shown.iter().map(|one| one.schedule.len()).max().unwrap_or(0);
    if let Some(past) = chosen.iter().find(|t| **t >= longest) {
        let whose = if shown.len() > 1 { "the longest chain" } else { "the chain" };
        return Err(Failure::user(format!(
            "--at {past} is after the end of {whose}, which has {longest} timesteps"
        ))
        .with_help(format!("they count from 0: use 0 to {}", longest.saturating_sub(1))));
    }
    Ok(BTreeSet::from_iter(chosen.iter().copied()).into_iter().collect())
}

/// Writes a file that the user named, whole or not at all.
fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
        return Err(Failure::user(format!(
            "there is no folder {}",
            printable(&folder.display().to_string())
        ))
        .with_help("make it first, or name a file in another one with -o FILE"));
    }
    files::replace_shared(&Disk, path, bytes).map_err(|error| {
        let code = if error.is_storage() { exit::STORAGE } else { exit::INTERNAL };
        Failure::new(error, code).with_help("name a file in a folder that may be written, with -o FILE")
    })?;
    print(&format!("{}\n", printable(&path.display().to_string())))
}

fn request(args: &Args, further: Vec<String>) -> Request {
    Request {
        experiment: args.experiment.clone().unwrap_or_default(),
        files: args.files.clone(),
        set: args.set.iter().cloned().chain(further).collect(),
        pin: Vec::new(),
        environment: environment(),
    }
}

/// Those of every variant that would be trained.
fn planned(args: &Args) -> Result<Vec<Diffusion>, Failure> {
    let experiment = Experiment::load(&request(args, Vec::new()))?;
    let plan = Plan::build(&experiment)?;
    Ok(plan.variants.into_iter().map(|variant| variant.config.diffusion).collect())
}

/// Every shape at every length.
fn named(args: &Args) -> Result<Vec<Diffusion>, Failure> {
    let shapes: Vec<&str> = args.noise_schedule.iter().map(|shape| shape.name()).collect();
    let shapes = settings(args, "noise_schedule", &shapes)?;
    let lengths = settings(args, "timesteps", &args.timesteps)?;
    let pairs = shapes.iter().flat_map(|shape| lengths.iter().map(move |length| [shape, length]));
    let resolved = pairs.map(|pair| {
        let further = pair.into_iter().flatten().cloned().collect();
        Ok(config::diffusion_alone(&request(args, further))?)
    });
    resolved.collect()
}

/// A flag's values as settings; one that sets nothing where the flag is not given.
fn settings<T: ToString>(args: &Args, leaf: &str, values: &[T]) -> Result<Vec<Option<String>>, Failure> {
    let key = format!("diffusion.{leaf}");
    let also_set = |word: &&String| word.split('=').next().is_some_and(|set| set.trim() == key);
    if values.is_empty() {
        return Ok(vec![None]);
    }
    if let Some(word) = args.set.iter().find(also_set) {
        let flag = leaf.replace('_', "-");
        return Err(
            Failure::user(format!("--{flag} and -s {word} both set {key}")).with_help("keep one of them")
        );
    }
    Ok(values.iter().map(|value| Some(format!("{key}={}", value.to_string()))).collect())
}

/// What two equal schedules share.
fn key(diffusion: &Diffusion) -> (NoiseSchedule, usize, Option<([u64; 2], bool)>, bool) {
    let betas = [diffusion.beta_start, diffusion.beta_end].map(f64::to_bits);
    let uses_betas = diffusion.noise_schedule != NoiseSchedule::Cosine;
    let rescaled = diffusion.rescale_betas && diffusion.timesteps != 1000;
    let betas = uses_betas.then_some((betas, rescaled));
    (diffusion.noise_schedule, diffusion.timesteps, betas, diffusion.zero_terminal_snr)
}

/// One row a timestep, of those `at` where there are any: the settings, then what they come to.
fn csv(shown: &[Shown], at: &[usize]) -> String {
    const HEADER: &str = "noise_schedule,timesteps,beta_start,beta_end,rescale_betas,zero_terminal_snr,t,beta,\
                          alpha_bar,snr,log_snr\n";
    let mut text = HEADER.to_owned();
    for Shown { diffusion, schedule } in shown {
        let betas = match diffusion.noise_schedule {
            // Not made from them.
            NoiseSchedule::Cosine => ",,".to_owned(),
            _ => format!(
                "{},{},{}",
                float(diffusion.beta_start),
                float(diffusion.beta_end),
                diffusion.rescale_betas
            ),
        };
        let name = diffusion.noise_schedule.name();
        let settings = format!("{name},{},{betas},{}", diffusion.timesteps, diffusion.zero_terminal_snr);
        for t in (0..schedule.len()).filter(|t| at.is_empty() || at.contains(t)) {
            let values = [schedule.betas[t], schedule.alpha_bars[t], schedule.snr(t), schedule.log_snr(t)];
            text.push_str(&format!("{settings},{t},{}\n", values.map(float).join(",")));
        }
    }
    text
}
