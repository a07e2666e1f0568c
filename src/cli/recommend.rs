//! `ablate recommend`: a configuration for a budget, with the reasons, alternatives, and a file that is ready to run.
//!
//! In: memory, image size, and what else is known. Out: text, TOML or JSON on standard output; writes nothing but the file
//! it is told to.

mod json;
mod refused;
mod speed;
mod text;
mod why;

use std::path::{Path, PathBuf};

use crate::cli::failure::{ExitCode, Failure, exit};
use crate::cli::output::{note, print};
use crate::config::Precision;
use crate::guard::printable;
use crate::rundir::{Disk, files};
use crate::sizing::Place;
use crate::sizing::recommend::{Advice, Ask, Proposal, recommend};

/// Bytes of a gigabyte, as memory is sold.
const GIGABYTE: f64 = 1e9;
/// More than any device has; beyond it a number of bytes is no number of gigabytes.
const MOST_GIGABYTES: f64 = 1e6;

/// `ablate recommend`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Memory of the device that will train, in GB.
    #[arg(long, value_name = "GB", allow_negative_numbers = true)]
    memory: f64,

    /// Width and height of an image in pixels.
    #[arg(long, value_name = "N")]
    image_size: usize,

    /// Channels of an image: 1 grey, 3 RGB.
    #[arg(long, value_name = "1|3", default_value_t = 3)]
    channels: usize,

    /// Images to train on; default: 50,000 are assumed. They say how large a network may be before it learns them by heart.
    #[arg(long, value_name = "N")]
    dataset_size: Option<u64>,

    /// Images of an optimizer step; default: 128, beyond 64 pixels 64, in short trainings fewer.
    #[arg(long, value_name = "N")]
    batch_size: Option<usize>,

    /// Hours of training. What they are worth is told by `ablate bench --calibrate`, or by --tflops.
    #[arg(long, value_name = "H", allow_negative_numbers = true)]
    hours: Option<f64>,

    /// Operations that the device sustains in training, in 10^12 a second, for one that is not here; a third of what its
    /// maker states is usual.
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    tflops: Option<f64>,

    /// What trains: a GPU, or the processors of a machine with that much memory.
    #[arg(long, value_enum, default_value_t)]
    device: Device,

    /// Number format of the network; default: on a GPU whichever is best, on a CPU f32.
    #[arg(long, value_enum)]
    precision: Option<NumberFormat>,

    /// Which one to write: the best, or one of the alternatives.
    #[arg(long, value_enum, default_value_t)]
    choose: Choice,

    /// What to print: the reasons with the file, the file alone, or everything for programs.
    #[arg(long, value_enum, default_value_t)]
    format: Format,

    /// Write the experiment file here; a file that is there is left alone.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
enum Device {
    /// The machine's own memory.
    Cpu,
    /// A GPU's.
    #[default]
    Cuda,
}

/// `training.precision`.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum NumberFormat {
    F32,
    Tf32,
    Bf16,
    F16,
}

impl From<NumberFormat> for Precision {
    fn from(format: NumberFormat) -> Precision {
        match format {
            NumberFormat::F32 => Precision::F32,
            NumberFormat::Tf32 => Precision::Tf32,
            NumberFormat::Bf16 => Precision::Bf16,
            NumberFormat::F16 => Precision::F16,
        }
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
enum Choice {
    /// The best within the budget.
    #[default]
    Best,
    /// Half the work an image.
    Smaller,
    /// Half the memory.
    Leaner,
    /// In 32 bits throughout, for a GPU without bf16.
    Exact,
    /// More parameters than the bounds would have.
    Larger,
}

impl Choice {
    fn name(self) -> &'static str {
        match self {
            Choice::Best => "best",
            Choice::Smaller => "smaller",
            Choice::Leaner => "leaner",
            Choice::Exact => "exact",
            Choice::Larger => "larger",
        }
    }
}

#[derive(Debug, Clone, Copy, Default, clap::ValueEnum)]
enum Format {
    #[default]
    Text,
    Toml,
    Json,
}

/// Runs the command.
pub(crate) fn exec(args: Args) -> Result<ExitCode, Failure> {
    let memory = refused::bytes(args.memory)?;
    let speed = speed::of(&args)?;
    let ask = Ask {
        memory,
        place: args.place(),
        image_size: args.image_size,
        channels: args.channels,
        dataset_size: args.dataset_size,
        batch_size: args.batch_size,
        hours: args.hours,
        precision: args.precision.map(Precision::from),
        pace: speed.as_deref(),
    };
    let advice = recommend(&ask).map_err(|error| refused::failure(error, &args))?;
    let chosen = chosen(&advice, args.choose)?;
    if let Some(path) = &args.output {
        write(path, &chosen.toml)?;
    }
    let printed = match args.format {
        Format::Text => text::text(&args, &ask, &advice, chosen),
        Format::Toml if args.output.is_some() => String::new(),
        Format::Toml => chosen.toml.clone(),
        Format::Json => json::json(&args, &advice).map_err(Failure::internal)?,
    };
    print(&printed)?;
    if let Some(path) = &args.output {
        note(format_args!("{} is written", path.display()));
    }
    if args.hours.is_some() && ask.pace.is_none() {
        note(format_args!(
            "--hours was left out of account: how fast the device is is not known; {}",
            speed::how_to_tell(args.device)
        ));
    }
    Ok(ExitCode::SUCCESS)
}

impl Args {
    fn place(&self) -> Place {
        match self.device {
            Device::Cpu => Place::Host,
            Device::Cuda => Place::Accelerator,
        }
    }
}

/// The proposal of a name.
fn chosen(advice: &Advice, choice: Choice) -> Result<&Proposal, Failure> {
    let all = || advice.others.iter().chain([&advice.best]);
    all().find(|proposal| proposal.name == choice.name()).ok_or_else(|| {
        let names: Vec<&str> = all().map(|proposal| proposal.name).collect();
        Failure::user(format!("there is no \"{}\" alternative for this budget", choice.name()))
            .with_help(format!("there are {}", names.join(", ")))
    })
}

/// Writes a file that must not be there: somebody may have worked on it.
fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let shown = printable(&path.display().to_string());
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
        let folder = printable(&folder.display().to_string());
        return Err(Failure::user(format!("there is no folder {folder}"))
            .with_help("make it first, or name a file in another one with -o FILE"));
    }
    if path.symlink_metadata().is_ok() {
        return Err(Failure::user(format!("{shown} is there already, and is left as it is"))
            .with_help("delete it first, or name another file with -o FILE"));
    }
    files::create(&Disk, path, text.as_bytes()).map_err(|error| {
        let code = if error.is_storage() { exit::STORAGE } else { exit::INTERNAL };
        Failure::new(error, code).with_help("name a file in a folder that may be written, with -o FILE")
    })
}

/// A number of bytes in gigabytes: "3.2".
fn gigabytes(bytes: u64) -> String {
    let value = bytes as f64 / GIGABYTE;
    if value < 0.095 { format!("{value:.2}") } else { format!("{value:.1}") }
}
