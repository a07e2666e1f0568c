//! The device that a plan would train on, as far as its memory goes: found on this machine, or given.
//!
//! In: `[runtime]`, how many runs there are, and `--memory`. Out: a [`TrainingDevice`].

use crate::config::{Device, Runtime};
use crate::launch::on_accelerator;
use crate::memory::{Room, human};
use crate::sizing::Place;

/// Memory to train in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TrainingDevice {
    /// Where tensors live.
    pub(super) place: Place,
    /// Bytes there are; absent where nobody tells.
    pub(super) bytes: Option<u64>,
    /// Runs that share them.
    pub(super) sharing: usize,
    /// "this machine has 23.55 GiB"; without bytes what could not be asked.
    words: String,
}

impl TrainingDevice {
    /// That of this machine.
    pub(super) fn here(runtime: &Runtime, runs: usize) -> Self {
        let (place, bytes, words) = match accelerator(runtime.device) {
            None => {
                let room = Room::afterwards();
                let words = room.map_or_else(|| "this machine".into(), |room| room.sentence());
                (Place::Host, room.map(|room| room.total), words)
            }
            Some((name, None)) => (Place::Accelerator, None, name),
            Some((name, Some(bytes))) => {
                (Place::Accelerator, Some(bytes), format!("{name} has {}", human(bytes)))
            }
        };
        Self { place, bytes, sharing: sharing(runtime, place, runs), words }
    }

    /// One of `bytes`: a GPU, unless the configuration says that it trains on a CPU.
    pub(super) fn of_size(runtime: &Runtime, runs: usize, bytes: u64) -> Self {
        let place = if runtime.device == Device::Cpu { Place::Host } else { Place::Accelerator };
        let words = format!("--memory gives {}", human(bytes));
        Self { place, bytes: Some(bytes), sharing: sharing(runtime, place, runs), words }
    }

    /// What one run may hold of it.
    pub(super) fn room(&self) -> Option<u64> {
        self.bytes.map(|bytes| bytes / self.sharing as u64)
    }

    /// What there is, and who shares it.
    pub(super) fn sentence(&self) -> String {
        match self.sharing {
            1 => self.words.clone(),
            sharing => format!("{} for {sharing} runs at a time", self.words),
        }
    }

    /// `GPU memory` or `host memory`.
    pub(super) fn kind(&self) -> &'static str {
        match self.place {
            Place::Host => "host memory",
            Place::Accelerator => "GPU memory",
        }
    }
}

/// Reads `--memory`: gigabytes, 10⁹ bytes.
pub(super) fn gigabytes(text: &str) -> Result<u64, String> {
    match text.parse::<f64>() {
        Ok(number) if number > 0.0 && number <= 1e6 => Ok((number * 1e9) as u64),
        _ => Err("a number of gigabytes above 0, such as 24".into()),
    }
}

/// Runs on the device at a time. On a CPU the program starts as many as fit, unless it is told a number.
fn sharing(runtime: &Runtime, place: Place, runs: usize) -> usize {
    let wanted = match (runtime.jobs, place) {
        (0, Place::Host) => 1,
        (0, Place::Accelerator) => runtime.slots_per_device,
        (jobs, _) => jobs,
    };
    wanted.min(runs).max(1)
}

/// The name of the GPU that the program would use and its bytes, if they can be asked; `None`: it trains on the CPU.
#[cfg(feature = "torch")]
fn accelerator(device: Device) -> Option<(String, Option<u64>)> {
    use crate::ops::DeviceName;
    // Where there is no GPU, libtorch is not asked for one.
    if !on_accelerator(device) {
        return None;
    }
    match crate::train::device_name(device) {
        Ok(DeviceName::Cpu) => None,
        Ok(name) => Some((name.to_string(), crate::ops::device_bytes(name))),
        // Not on this machine: a plan for another one.
        Err(_) => Some((device.to_string(), None)),
    }
}

/// Without libtorch nobody can ask a GPU.
#[cfg(not(feature = "torch"))]
fn accelerator(device: Device) -> Option<(String, Option<u64>)> {
    on_accelerator(device).then(|| (device.to_string(), None))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::defaults;

    fn runtime(device: Device) -> Runtime {
        Runtime { device, ..defaults().runtime }
    }

    #[test]
    fn a_given_size_is_that_of_a_gpu_unless_the_configuration_says_cpu() {
        let gpu = TrainingDevice::of_size(&runtime(Device::Auto), 8, 24_000_000_000);
        assert_eq!((gpu.place, gpu.room()), (Place::Accelerator, Some(24_000_000_000)));
        assert_eq!(gpu.sentence(), "--memory gives 22.35 GiB");
        assert_eq!(TrainingDevice::of_size(&runtime(Device::Cpu), 8, 1).place, Place::Host);
    }

    #[test]
    fn runs_side_by_side_share_the_device() {
        let mut runtime = runtime(Device::Cuda(0));
        runtime.slots_per_device = 3;
        let gpu = TrainingDevice::of_size(&runtime, 8, 3 << 30);
        assert_eq!(gpu.room(), Some(1 << 30));
        assert_eq!(gpu.sentence(), "--memory gives 3.00 GiB for 3 runs at a time");
        assert_eq!(TrainingDevice::of_size(&runtime, 2, 2 << 30).room(), Some(1 << 30), "there are two runs");
        runtime.jobs = 4;
        assert_eq!(TrainingDevice::of_size(&runtime, 8, 4 << 30).room(), Some(1 << 30));
        runtime.device = Device::Cpu;
        assert_eq!(TrainingDevice::of_size(&runtime, 8, 4 << 30).room(), Some(1 << 30));
        runtime.jobs = 0;
        assert_eq!(TrainingDevice::of_size(&runtime, 8, 4 << 30).room(), Some(4 << 30), "as many as fit");
    }

    #[test]
    fn this_machines_cpu_has_its_memory() {
        let here = TrainingDevice::here(&runtime(Device::Cpu), 1);
        assert_eq!(here.place, Place::Host);
        assert_eq!(here.bytes, Room::afterwards().map(|room| room.total));
    }

    #[test]
    fn a_size_is_a_number_above_zero() {
        assert_eq!(gigabytes("24"), Ok(24_000_000_000));
        assert_eq!(gigabytes("0.5"), Ok(500_000_000));
        for wrong in ["-4", "0", "nan", "inf", "24GB", "", "1e300"] {
            assert!(gigabytes(wrong).is_err(), "{wrong}");
        }
    }
}
