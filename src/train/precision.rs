//! Whether this machine trains in a precision other than f32, and what a worker has to be started with.
//!
//! In: a run's configuration. Out: environment variables for its worker, or a [`Refusal`]. A CPU may list
//! instructions that its system does not allow; libtorch then dies of the first one. So a small calculation is made
//! in a process of its own, `ablate probe-precision`, before any run depends on it.

use std::fs::File;
use std::io::{Read, Seek};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use thiserror::Error;

use super::Execution;
use crate::config::{Config, Device, Precision};
use crate::{model, ops};

/// Name of the hidden command that calculates.
pub const PROBE_COMMAND: &str = "probe-precision";
/// Its exit code where the device cannot be opened: whoever trains says why, in any precision.
pub const NO_DEVICE: u8 = 3;
/// Upper limit on the instructions oneDNN uses, which does libtorch's 16-bit products on CPUs; read once.
pub const CPU_LIMIT: &str = "ONEDNN_MAX_CPU_ISA";
/// cuBLAS repeats bit for bit only with a workspace of fixed size; read when cuBLAS is first used.
const CUBLAS_WORKSPACE: (&str, &str) = ("CUBLAS_WORKSPACE_CONFIG", ":4096:8");

/// A probe takes a second or two; more than this is as good as never.
const PATIENCE: Duration = Duration::from_secs(300);

/// What a probe found.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Support {
    /// The precision works as things are.
    Works,
    /// It works with [`CPU_LIMIT`] at this value.
    Limited(&'static str),
    /// It does not work, and why.
    Refused(String),
}

/// A precision that this machine cannot train in.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("training.precision = \"{}\" does not work on this machine: {reason}", precision.name())]
pub struct Refusal {
    precision: Precision,
    reason: String,
}

impl Refusal {
    /// What to do about it.
    pub fn help(&self) -> &'static str {
        "use training.precision = \"f32\", which works everywhere, or train on a GPU (runtime.device)"
    }
}

/// Variables that a worker of this run has to be started with. `recorded` is how earlier attempts were executed: what
/// they were limited to stays.
///
/// # Errors
/// When the precision does not work here. Asks once per process, precision and device.
pub fn environment(
    config: &Config,
    recorded: Option<&Execution>,
) -> Result<Vec<(&'static str, String)>, Refusal> {
    let found = support(config.training.precision, config.runtime.device);
    required(config, recorded, found, &|name| std::env::var_os(name).is_some())
}

fn required(
    config: &Config,
    recorded: Option<&Execution>,
    found: Support,
    is_set: &dyn Fn(&str) -> bool,
) -> Result<Vec<(&'static str, String)>, Refusal> {
    let precision = config.training.precision;
    let limit = match found {
        Support::Works => None,
        Support::Limited(limit) => Some(limit.to_owned()),
        Support::Refused(reason) => return Err(Refusal { precision, reason }),
    };
    let limit = recorded.and_then(|execution| execution.onednn_max_cpu_isa.clone()).or(limit);
    let mut variables: Vec<_> = limit.map(|limit| (CPU_LIMIT, limit)).into_iter().collect();
    let deterministic = recorded.map_or(config.runtime.deterministic, |execution| execution.deterministic);
    let (name, value) = CUBLAS_WORKSPACE;
    if deterministic && config.runtime.device != Device::Cpu && !is_set(name) {
        variables.push((name, value.to_owned()));
    }
    Ok(variables)
}

/// Makes the calculation in this process, which may die of it. A device that cannot be opened is an error.
///
/// # Errors
/// What is wrong with the device, or with the precision on it.
pub fn probe(precision: Precision, device: Device) -> Result<Result<(), String>, ops::DeviceError> {
    let (_, device) = super::open_device(device)?;
    let found = match precision {
        Precision::Tf32 => ops::probe_tf32(&device),
        _ => ops::probe(&device, model::number_format(precision)),
    };
    Ok(found.map_err(|error| error.to_string()))
}

/// Asks once and remembers.
fn support(precision: Precision, device: Device) -> Support {
    static ASKED: Mutex<Vec<(Precision, Device, Support)>> = Mutex::new(Vec::new());
    if precision == Precision::F32 {
        return Support::Works;
    }
    // Nothing panics while this is held, and what it holds is right at any time.
    let mut asked = ASKED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some((_, _, known)) = asked.iter().find(|(p, d, _)| (*p, *d) == (precision, device)) {
        return known.clone();
    }
    let found = examine(precision, device, &|limit| ask(&mut probe_command(precision, device, limit)));
    asked.push((precision, device, found.clone()));
    found
}

/// Tries as things are, then with fewer instructions.
fn examine(
    precision: Precision,
    device: Device,
    try_with: &dyn Fn(Option<&'static str>) -> Result<(), String>,
) -> Support {
    let Err(reason) = try_with(None) else { return Support::Works };
    let limits: &[&str] = match (device, precision) {
        (Device::Cuda(_) | Device::Mps, _) | (_, Precision::Tf32) => &[],
        (_, Precision::F16) => &["AVX512_CORE_FP16", "AVX512_CORE"],
        (_, _) => &["AVX512_CORE_BF16", "AVX512_CORE"],
    };
    match limits.iter().find(|limit| try_with(Some(limit)).is_ok()) {
        Some(limit) => Support::Limited(limit),
        None if limits.is_empty() => Support::Refused(reason),
        None => Support::Refused(format!("{reason}; {CPU_LIMIT}={} does not help", limits.join(" or "))),
    }
}

fn probe_command(precision: Precision, device: Device, limit: Option<&str>) -> Command {
    // Without a path to this program nothing could be started; the name then fails to, and says so.
    let program = std::env::current_exe().unwrap_or_else(|_| "ablate".into());
    let mut command = Command::new(program);
    command.args([PROBE_COMMAND, precision.name(), "--device", &device.to_string()]);
    command.env("OMP_NUM_THREADS", "1").envs(limit.map(|limit| (CPU_LIMIT, limit)));
    command
}

/// Runs a probe and says what was wrong with it.
fn ask(command: &mut Command) -> Result<(), String> {
    let failed = |what: &str, error: std::io::Error| format!("{what}: {error}");
    let mut said = tempfile::tempfile().map_err(|error| failed("no file for a probe's words", error))?;
    let stderr = said.try_clone().map_err(|error| failed("no file for a probe's words", error))?;
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(stderr);
    let mut child = command.spawn().map_err(|error| failed("a probe could not be started", error))?;
    let deadline = Instant::now() + PATIENCE;
    let exit = loop {
        match child.try_wait().map_err(|error| failed("a probe could not be waited for", error))? {
            Some(exit) => break exit,
            None if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(10)),
            None => {
                // It may have ended by itself this very moment.
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("a small calculation took more than {} s", PATIENCE.as_secs()));
            }
        }
    };
    judge(exit, &mut said)
}

fn judge(exit: ExitStatus, said: &mut File) -> Result<(), String> {
    match (exit.code(), exit.signal()) {
        (Some(0), _) => Ok(()),
        (Some(code), _) if code == i32::from(NO_DEVICE) => Ok(()),
        (Some(code), _) => {
            Err(last_error(said)
                .unwrap_or_else(|| format!("a small calculation ended with exit code {code}")))
        }
        (None, signal) => {
            let signal = signal.unwrap_or_default();
            let name = signal_hook::low_level::signal_name(signal).unwrap_or("an unknown signal");
            let illegal = if signal == signal_hook::consts::SIGILL {
                ", an instruction that the CPU lists and the system does not allow"
            } else {
                ""
            };
            Err(format!("a small calculation died of {name}{illegal}"))
        }
    }
}

fn last_error(said: &mut File) -> Option<String> {
    let mut bytes = Vec::new();
    said.rewind().ok()?;
    said.take(1 << 20).read_to_end(&mut bytes).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let line = text.lines().rev().find_map(|line| line.strip_prefix("error: "))?;
    Some(crate::guard::printable(&line.chars().take(300).collect::<String>()))
}

#[cfg(test)]
#[path = "precision_tests.rs"]
mod tests;
