//! `ablate probe-precision PRECISION`: a small calculation in a precision, in a process that may die of it.

use super::failure::{ExitCode, Failure};

/// Options of `ablate probe-precision`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// `f32`, `tf32`, `bf16` or `f16`.
    precision: String,
    /// Where to calculate, as in runtime.device.
    #[arg(long, default_value = "auto")]
    device: String,
}

#[cfg(not(feature = "torch"))]
pub(crate) fn exec(args: Args) -> Result<ExitCode, Failure> {
    let Args { precision, device } = args;
    Err(super::failure::without_torch(&format!("compute in {precision} on {device}")))
}

#[cfg(feature = "torch")]
pub(crate) fn exec(args: Args) -> Result<ExitCode, Failure> {
    use super::failure::exit;
    use crate::config::Precision::{Bf16, F16, F32, Tf32};
    use crate::train::precision;

    let named = [F32, Tf32, Bf16, F16].into_iter().find(|precision| precision.name() == args.precision);
    let Some(wanted) = named else {
        let message = format!("\"{}\" is not a precision", crate::guard::printable(&args.precision));
        return Err(Failure::user(message).with_help("use f32, tf32, bf16 or f16"));
    };
    let device = args.device.parse().map_err(Failure::user)?;
    // What libtorch complains about becomes the one error line below.
    std::panic::set_hook(Box::new(|_| {}));
    match precision::probe(wanted, device) {
        Ok(Ok(())) => Ok(ExitCode::SUCCESS),
        Ok(Err(reason)) => Err(Failure::new(reason, exit::SOME_FAILED)),
        Err(error) => Err(Failure::new(error, precision::NO_DEVICE)),
    }
}
