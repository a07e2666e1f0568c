//! `ablate export RUN --to FORMAT DIR`: a checkpoint's network as a folder that others load.

use std::path::PathBuf;

use super::chosen::{checkpoint_at, run_at, tensors_of, weights_named};
use super::failure::{ExitCode, Failure};
use super::output::print;
use crate::config;
use crate::guard::printable;
use crate::interop::{Export, Format};

/// Options of `ablate export`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A run folder, such as runs/quickstart/<variant>/seed-0.
    run: PathBuf,
    /// What to write.
    #[arg(long, value_enum, value_name = "FORMAT")]
    to: Format,
    /// The folder to write; it must not exist, or be empty.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Weights: ema (the first average), one by its name such as ema-0.99, or raw.
    #[arg(long, value_name = "NAME", default_value = "ema")]
    weights: String,
    /// Checkpoint: last, best or step=N.
    #[arg(long, value_name = "WHICH", default_value = "last")]
    at: String,
}

/// Writes the folder and says what it holds.
pub(crate) fn exec(args: Args) -> Result<ExitCode, Failure> {
    let run = run_at(&args.run)?;
    let config = config::read_run_config(&run.config_path()).map_err(Failure::user)?;
    let weights = weights_named(&args.weights, &config)?;
    let chosen = checkpoint_at(&run, &args.at)?;
    let network = tensors_of(&config);
    let label = run.label();
    let export = Export {
        run: &label,
        config: &config,
        checkpoint: &chosen,
        stem: &weights.file,
        label: &weights.label,
        network: &network,
    };
    export.write(args.to, &args.folder)?;
    let said =
        format!("{label} at step {}, {} weights: {}", chosen.step, weights.label, args.folder.display());
    print(&format!("{}\n", printable(&said)))?;
    Ok(ExitCode::SUCCESS)
}
