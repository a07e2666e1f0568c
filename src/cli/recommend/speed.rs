//! How fast the device is, as far as anybody knows.
//!
//! In: the command line. Out: a [`Pace`], from `--tflops` or from the measurement that `ablate bench --calibrate` has left.

use super::{Args, Device};
use crate::calibration::{CalibrationError, Store, Unknown};
use crate::cli::failure::Failure;
use crate::cli::output::{note, warn};
use crate::cli::plan::hours::libtorch;
use crate::config;
use crate::sizing::recommend::{Pace, Sustained};

/// The speed, where there is one.
pub(super) fn of(args: &Args) -> Result<Option<Box<dyn Pace>>, Failure> {
    let Some(tflops) = args.tflops else { return Ok(measured(args.device)) };
    if !(tflops.is_finite() && tflops > 0.0) {
        return Err(Failure::user(format!("--tflops {tflops} is no speed"))
            .with_help("give what the device sustains, in 10^12 operations a second, such as --tflops 20"));
    }
    Ok(Some(Box::new(Sustained { flops_per_second: tflops * 1e12 })))
}

/// What was measured here, of a worker that has the device to itself.
fn measured(device: Device) -> Option<Box<dyn Pace>> {
    let store = match Store::read() {
        Ok(store) => store,
        Err(CalibrationError::NoFolder) => return None,
        Err(error) => {
            warn(format_args!("the measurement of this machine is not used: {error}"));
            return None;
        }
    };
    let wanted = match device {
        Device::Cpu => config::Device::Cpu,
        Device::Cuda => config::Device::Cuda(0),
    };
    match store.of(wanted, libtorch()) {
        Ok(calibration) => {
            let rates = calibration.rates(1, calibration.machine.cores)?;
            Some(Box::new(rates))
        }
        Err(Unknown::Never) => None,
        Err(Unknown::Changed(how)) => {
            note(format_args!("the measurement of this machine is not used: {how}"));
            None
        }
    }
}

/// How to make it known.
pub(super) fn how_to_tell(device: Device) -> &'static str {
    match device {
        Device::Cpu => "`ablate bench --calibrate` measures this machine",
        Device::Cuda => {
            "`ablate bench --calibrate` measures a GPU that is here, --tflops N says it of another"
        }
    }
}
