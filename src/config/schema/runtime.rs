//! `[runtime]` and `[launcher]`: where a run happens; nothing here changes what is trained.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// `[runtime]`: left out of a variant's identity.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Runtime {
    /// Where tensors live.
    pub device: Device,
    /// Workers at a time; 0: chosen from cores and threads.
    pub jobs: usize,
    /// Threads per worker; 0: chosen from cores and jobs.
    pub threads: usize,
    /// Workers at a time on one GPU where `jobs` leaves it open.
    pub slots_per_device: usize,
    /// Only operations that give the same bits every time; slower on a GPU, no difference on a CPU.
    pub deterministic: bool,
    /// Whether a run's curves, grids and settings are also written for TensorBoard.
    pub tensorboard: bool,
    /// Root of the run tree.
    pub runs_dir: PathBuf,
    /// Root of data sets and their cache.
    pub data_dir: PathBuf,
}

/// `runtime.device`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Device {
    /// The first CUDA device if there is one, else MPS, else the CPU.
    Auto,
    /// Host memory.
    Cpu,
    /// An NVIDIA GPU by index.
    Cuda(usize),
    /// Apple's GPU.
    Mps,
}

impl FromStr for Device {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Device::Auto),
            "cpu" => Ok(Device::Cpu),
            "mps" => Ok(Device::Mps),
            "cuda" => Ok(Device::Cuda(0)),
            _ => {
                text.strip_prefix("cuda:").and_then(|index| index.parse().ok()).map(Device::Cuda).ok_or_else(
                    || format!("\"{text}\" is not a device; use \"auto\", \"cpu\", \"cuda:0\" or \"mps\""),
                )
            }
        }
    }
}

impl TryFrom<String> for Device {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Device> for String {
    fn from(device: Device) -> String {
        device.to_string()
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Device::Auto => f.write_str("auto"),
            Device::Cpu => f.write_str("cpu"),
            Device::Cuda(index) => write!(f, "cuda:{index}"),
            Device::Mps => f.write_str("mps"),
        }
    }
}

/// `[launcher]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Launcher {
    /// Which engine starts workers.
    pub kind: LauncherKind,
}

/// `launcher.kind`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LauncherKind {
    /// Processes on this machine.
    Local,
}
