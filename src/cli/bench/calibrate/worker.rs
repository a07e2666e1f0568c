//! `ablate calibrate-worker`: one process of a calibration, which measures what it is told to until its input ends.
//!
//! In: tasks on standard input, one a line. Out: answers on standard output.

use std::io::{BufRead, Write};

use super::protocol::{Answer, Hello, Task};
use crate::cli::bench::step::failure;
use crate::cli::failure::{ExitCode, Failure};
use crate::config::Device;
use crate::train::bench::Pace;

/// Runs the command.
pub(in crate::cli) fn exec(device: &str, threads: usize) -> Result<ExitCode, Failure> {
    let wanted: Device = device.parse().map_err(Failure::user)?;
    let pace = Pace::open(wanted, threads).map_err(failure)?;
    tell(&Hello { device: pace.device() })?;
    for line in std::io::stdin().lock().lines() {
        let line = line.map_err(Failure::internal)?;
        let answer = match serde_json::from_str(&line).map_err(Failure::internal)? {
            Task::Times { config, images, seconds } => {
                Answer::Times(pace.times(&config, images, seconds).map_err(failure)?)
            }
            Task::Save { config, folder } => Answer::Saved(pace.saving(&config, &folder).map_err(failure)?),
        };
        tell(&answer)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn tell(answer: &impl serde::Serialize) -> Result<(), Failure> {
    let line = serde_json::to_string(answer).map_err(Failure::internal)?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).map_err(Failure::internal)
}
