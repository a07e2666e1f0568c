//! `ablate calibrate-worker`: one measuring process of `ablate bench --calibrate`, which starts it.

use super::failure::{ExitCode, Failure};

/// Options of `ablate calibrate-worker`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Where to calculate, as in runtime.device.
    #[arg(long)]
    device: String,
    /// Threads inside one operation.
    #[arg(long)]
    threads: usize,
}

#[cfg(not(feature = "torch"))]
pub(crate) fn exec(args: Args) -> Result<ExitCode, Failure> {
    let Args { device, threads } = args;
    Err(super::failure::without_torch(&format!("measure {device} with {threads} threads")))
}

#[cfg(feature = "torch")]
pub(crate) fn exec(args: Args) -> Result<ExitCode, Failure> {
    super::bench::calibrate::exec_worker(&args.device, args.threads)
}
