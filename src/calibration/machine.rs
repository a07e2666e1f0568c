//! What a measurement is of: the processor or GPU, and the program with its libraries.
//!
//! In: what the system and the program know of themselves. Out: a [`Machine`], and the first thing in which two differ.

use std::fs;

use serde::{Deserialize, Serialize};

use crate::rundir::provenance;

/// Everything that makes a measurement another's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Machine {
    /// Model and instruction sets of the CPU.
    pub cpu: String,
    /// Cores that this process may use.
    pub cores: usize,
    /// `cpu`, `cuda:0`, `mps`.
    pub device: String,
    /// Model of the GPU, where the system tells.
    pub gpu: Option<String>,
    /// Version of libtorch; absent in a program that has none.
    pub libtorch: Option<String>,
    /// Version of this program.
    pub version: String,
}

impl Machine {
    /// This process on this machine, for a device by its name.
    pub fn here(device: &str, libtorch: Option<&str>) -> Machine {
        let index = device.strip_prefix("cuda:").and_then(|index| index.parse().ok());
        Machine {
            cpu: provenance::cpu().unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            device: device.to_owned(),
            gpu: index.and_then(nvidia_model),
            libtorch: libtorch.map(str::to_owned),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }

    /// Whether workers share a device of its own.
    pub fn is_accelerator(&self) -> bool {
        self.device != "cpu"
    }

    /// The first thing that changed from the measurement to `now`. A program without libtorch cannot tell whether that
    /// changed, and a system that does not name its GPU not whether it did.
    pub fn difference(&self, now: &Machine) -> Option<String> {
        let both = |first: &Option<String>, now: &Option<String>| match (first, now) {
            (Some(first), Some(now)) => (first.clone(), now.clone()),
            _ => (String::new(), String::new()),
        };
        let cores = (self.cores.to_string(), now.cores.to_string());
        let conditions = [
            ("the CPU", (self.cpu.clone(), now.cpu.clone())),
            ("the number of cores", cores),
            ("the GPU", both(&self.gpu, &now.gpu)),
            ("libtorch", both(&self.libtorch, &now.libtorch)),
            ("ablate", (self.version.clone(), now.version.clone())),
        ];
        conditions
            .into_iter()
            .find(|(_, (first, now))| first != now)
            .map(|(what, (first, now))| format!("{what} changed from {first} to {now}"))
    }
}

/// The model of the n-th GPU as NVIDIA's driver names it to the system, in the order of their bus.
fn nvidia_model(index: usize) -> Option<String> {
    let mut folders: Vec<_> =
        fs::read_dir("/proc/driver/nvidia/gpus").ok()?.flatten().map(|entry| entry.path()).collect();
    folders.sort();
    let text = fs::read_to_string(folders.get(index)?.join("information")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("Model:"))?;
    Some(line.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_measurement_is_anothers_when_what_decides_its_times_changed() {
        let then = Machine::here("cpu", Some("2.9.0"));
        assert_eq!(then.difference(&Machine::here("cpu", Some("2.9.0"))), None);
        assert_eq!(then.difference(&Machine::here("cpu", None)), None, "it cannot be told");
        let changed = |change: &dyn Fn(&mut Machine)| {
            let mut now = then.clone();
            change(&mut now);
            then.difference(&now)
        };
        assert_eq!(
            changed(&|now| now.libtorch = Some("2.10.0".into())).unwrap(),
            "libtorch changed from 2.9.0 to 2.10.0"
        );
        assert!(changed(&|now| now.cores += 1).unwrap().starts_with("the number of cores changed from "));
        assert!(changed(&|now| now.cpu.push('x')).unwrap().starts_with("the CPU changed from "));
        assert!(changed(&|now| now.version = "0.0.0".into()).unwrap().ends_with(" to 0.0.0"));
    }
}
