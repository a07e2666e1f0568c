//! Where the time of an optimizer step goes.
//!
//! In: marks at the ends of a step's parts. Out: seconds of each part; together they are the whole step, since each part
//! begins where the one before it ended. Training runs a stopped clock, which looks at no time and waits for no device.

use std::time::{Duration, Instant};

use burn::tensor::Device;

/// The parts of a step, in the order in which they come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// The batch on its way to the device, and noised.
    Inputs,
    /// The network and the loss.
    Forward,
    /// The gradient of every parameter, and the sum over micro-batches.
    Backward,
    /// Norm, clipping, optimizer, averages.
    Update,
}

impl Phase {
    /// How many there are.
    pub(super) const COUNT: usize = 4;
}

/// A stop watch with a sum for each phase.
#[derive(Debug)]
pub(super) struct Clock(Option<Running>);

#[derive(Debug)]
struct Running {
    device: Device,
    since: Instant,
    spent: [Duration; Phase::COUNT],
}

impl Clock {
    /// Measures nothing and costs nothing.
    pub(super) const fn stopped() -> Self {
        Self(None)
    }

    /// Begins now. A GPU works on after it was told what to do, so each reading waits for it (host–device sync).
    pub(super) fn start(device: &Device) -> Self {
        let device = device.clone().without_autodiff();
        wait_for(&device);
        Self(Some(Running { device, since: Instant::now(), spent: [Duration::ZERO; Phase::COUNT] }))
    }

    /// What was done since the last mark belongs to `phase`.
    pub(super) fn ends(&mut self, phase: Phase) {
        let Some(running) = &mut self.0 else { return };
        wait_for(&running.device);
        let now = Instant::now();
        running.spent[phase as usize] += now - running.since;
        running.since = now;
    }

    /// Seconds of each phase; zeros, if it never ran.
    pub(super) fn seconds(&self) -> [f64; Phase::COUNT] {
        let running = self.0.as_ref();
        running.map_or([0.0; Phase::COUNT], |running| running.spent.map(|spent| spent.as_secs_f64()))
    }
}

/// Returns when the device has done all it was told to (host–device sync).
pub(super) fn wait_for(device: &Device) {
    device.sync().expect("libtorch reports what goes wrong on a device by a panic of its own");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::{self, DeviceName};

    #[test]
    fn phases_add_up_to_the_time_between_the_first_mark_and_the_last() {
        let (_, device) = ops::open(DeviceName::Cpu).unwrap();
        let started = Instant::now();
        let mut clock = Clock::start(&device);
        for phase in [Phase::Inputs, Phase::Forward, Phase::Backward, Phase::Inputs, Phase::Update] {
            std::thread::sleep(Duration::from_millis(5));
            clock.ends(phase);
        }
        let whole = started.elapsed().as_secs_f64();
        let seconds = clock.seconds();
        let sum: f64 = seconds.iter().sum();
        assert!(sum <= whole && sum >= 0.025, "{seconds:?} of {whole}");
        assert!(seconds[Phase::Inputs as usize] >= 0.010, "a phase that comes twice is counted twice");
    }

    #[test]
    fn a_stopped_clock_measures_nothing() {
        let mut clock = Clock::stopped();
        clock.ends(Phase::Update);
        assert_eq!(clock.seconds(), [0.0; Phase::COUNT]);
    }
}
