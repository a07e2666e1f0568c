//! `ablate import DIR -o RUN`: a folder of diffusers becomes a run.

use std::path::PathBuf;

use super::chosen::tensors_of;
use super::experiment_args::environment;
use super::failure::{ExitCode, Failure, exit};
use super::output::{note, print, warn};
use crate::guard::printable;
use crate::interop::{self, InteropError, Source};
use crate::sizing;

/// Options of `ablate import`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A folder that a diffusers pipeline was saved to; its weights as .safetensors.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// The run folder to make, such as runs/published/<name>/seed-0; it must not exist.
    #[arg(short, long, value_name = "RUN")]
    output: PathBuf,
    /// Set a key that the folder does not say: -s data.dataset=cifar10; may be repeated.
    #[arg(short = 's', long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
}

/// Makes the run and says what it is.
pub(crate) fn exec(args: Args) -> Result<ExitCode, Failure> {
    let source = Source::open(&args.folder)?;
    let (config, warnings) = source.configure(&args.output, &args.set, environment())?;
    for problem in warnings {
        warn(format_args!("{}", problem.message));
    }
    let network = tensors_of(&config);
    let (model, data, diffusion, sampling) =
        (&config.model, &config.data, &config.diffusion, &config.sampling);
    let said = format!(
        "{} x {} {} images, {} parameters; {} timesteps, {}; sampled by {} in {} steps",
        data.image_size,
        data.image_size,
        if data.in_channels == 1 { "grey" } else { "RGB" },
        sizing::parameters(model, data),
        diffusion.timesteps,
        diffusion.noise_schedule.name(),
        sampling.sampler.name(),
        sampling.steps
    );
    let run = interop::import(&source, config, &network, &args.output)?;
    let path = run.path().display();
    print(&format!("{}\n", printable(&format!("{path}: {said}"))))?;
    if run.seed().is_none() {
        note("compare and status look for runs that are named <experiment>/<name>/seed-<n>");
    }
    Ok(ExitCode::SUCCESS)
}

impl From<InteropError> for Failure {
    fn from(error: InteropError) -> Self {
        let code = match &error {
            error if error.is_storage() => exit::STORAGE,
            error if error.is_input() => exit::USER,
            _ => exit::INTERNAL,
        };
        let failure = Failure::new(&error, code);
        match error.help() {
            Some(help) => failure.with_help(help),
            None => failure,
        }
    }
}
