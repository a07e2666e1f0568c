//! A measurement for tests: a machine that charges for operations alone.

use chrono::DateTime;

use super::{Calibration, FinishedRun, Layout, Machine, MeasuredNetwork};
use crate::config::{Device, defaults};
use crate::sizing::{Rates, Sample, train_flops_per_image};

/// Prices of so many operations a second, forward and back.
pub(crate) fn rates(flops_per_second: f64) -> Rates {
    let sample = |(width, images): (usize, usize)| {
        let mut config = defaults();
        config.training.batch_size = images;
        config.runtime.device = Device::Cpu;
        (config.model.base_channels, config.model.time_embed_dim) = (width, 4 * width);
        let flops = train_flops_per_image(&config.model, &config.data) as f64;
        let seconds = flops * images as f64 / flops_per_second;
        Sample {
            config,
            step_seconds: seconds,
            forward_images: images as u64,
            forward_seconds: seconds / 3.0,
        }
    };
    Rates::fit(&[(32, 4), (64, 4), (128, 4), (32, 64), (64, 64), (128, 64)].map(sample))
}

/// One thread computes 10¹¹ operations a second, four compute 4·10¹¹.
pub(crate) fn calibration(machine: Machine) -> Calibration {
    let network = MeasuredNetwork {
        name: "one".into(),
        step_seconds: 1.0,
        forward_seconds: 0.25,
        left_out_errors: [0.02, -0.03],
    };
    let layout = |workers: usize, threads: usize| Layout {
        workers,
        threads,
        rates: rates(threads as f64 * 1e11),
        networks: vec![network.clone()],
    };
    Calibration {
        machine,
        is_auto: false,
        measured: DateTime::from_timestamp(1_700_000_000, 0).unwrap(),
        layouts: vec![layout(1, 4), layout(4, 1)],
        runs: vec![],
    }
}

/// A run that took so many times its estimate.
pub(crate) fn finished(ratio: f64) -> FinishedRun {
    FinishedRun {
        ended: DateTime::from_timestamp(1_700_000_100, 0).unwrap(),
        label: "base/seed-0".into(),
        estimated_seconds: 100.0,
        actual_seconds: 100.0 * ratio,
    }
}
