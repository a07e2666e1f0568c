//! Tests of prices: what was paid is found again, and what depends on them follows.

use super::*;
use crate::config::defaults;

/// Base channels, multipliers, image size, attention, images a batch.
type Network = (usize, &'static [usize], usize, &'static [usize], usize);

const NETWORKS: [Network; 8] = [
    (32, &[1, 2], 16, &[], 8),
    (32, &[1, 2, 4], 28, &[7], 16),
    (64, &[1, 2], 32, &[16], 4),
    (64, &[1, 2, 4], 32, &[16, 8], 8),
    (128, &[1, 2], 16, &[8], 32),
    (32, &[1, 1, 2, 2], 64, &[16], 2),
    (96, &[1, 2, 2], 32, &[], 1),
    (16, &[1, 2, 2], 32, &[32], 16),
];

fn config(index: usize) -> Config {
    let (base, multipliers, size, attention, batch) = NETWORKS[index];
    let mut config = defaults();
    config.runtime.device = Device::Cpu;
    config.model.base_channels = base;
    config.model.channel_multipliers = multipliers.to_vec();
    config.model.attention_resolutions = attention.to_vec();
    config.model.time_embed_dim = 4 * base;
    (config.data.image_size, config.training.batch_size) = (size, batch);
    config
}

/// A machine of 300 GFLOP/s, slower at attention, that reads 8 GB/s and has 2 ns for each position.
fn machine() -> Rates {
    let steps = vec![StepPrices {
        precision: Precision::F32,
        prices: [3e-12, 6e-12, 5e-10, 2e-9, 1e-10, 2e-5, 1e-10],
    }];
    Rates {
        host: true,
        steps,
        forward: [3e-12, 6e-12, 5e-10, 1e-9, 1e-10, 2e-5],
        overheads: Overheads::default(),
    }
}

fn sample(machine: &Rates, config: Config, noise: f64) -> Sample {
    Sample {
        step_seconds: machine.step_seconds(&config) * (1.0 + noise),
        forward_images: 16,
        forward_seconds: machine.forward_seconds(&config, 16) * (1.0 - noise),
        config,
    }
}

fn samples(noise: f64) -> Vec<Sample> {
    let signed = |index: usize| if index.is_multiple_of(2) { noise } else { -noise };
    (0..NETWORKS.len()).map(|index| sample(&machine(), config(index), signed(index))).collect()
}

#[test]
fn a_machine_that_charges_by_work_is_predicted_on_networks_it_never_ran() {
    let rates = Rates::fit(&samples(0.0));
    let mut other = config(3);
    other.model.num_res_blocks = 3;
    other.training.batch_size = 24;
    (other.training.gradient_accumulation, other.training.recompute) = (3, true);
    for predicted in [&other, &config(0)] {
        let step = rates.step_seconds(predicted) / machine().step_seconds(predicted);
        let forward = rates.forward_seconds(predicted, 300) / machine().forward_seconds(predicted, 300);
        assert!((step - 1.0).abs() < 0.02 && (forward - 1.0).abs() < 0.02, "{step} {forward}");
    }
}

#[test]
fn noise_of_the_clock_is_averaged_and_leaving_one_out_shows_it() {
    let noisy = samples(0.04);
    let rates = Rates::fit(&noisy);
    for index in 0..NETWORKS.len() {
        let ratio = rates.step_seconds(&config(index)) / machine().step_seconds(&config(index));
        assert!((ratio - 1.0).abs() < 0.06, "{index}: {ratio}");
    }
    let worst = |samples: &[Sample]| {
        let errors = leave_one_out(samples);
        errors.into_iter().flatten().fold(0.0_f64, |worst, error| worst.max(error.abs()))
    };
    assert!(worst(&samples(0.0)) < 0.03, "{}", worst(&samples(0.0)));
    assert!(worst(&noisy) > 0.04);
}

#[test]
fn a_step_with_more_to_do_takes_longer() {
    let rates = machine();
    let plain = rates.step_seconds(&config(3));
    let with = |change: &dyn Fn(&mut Config)| {
        let mut config = config(3);
        change(&mut config);
        rates.step_seconds(&config)
    };
    assert!(with(&|config| config.training.batch_size *= 2) > 1.5 * plain);
    assert!(with(&|config| config.training.gradient_accumulation = 4) > plain);
    assert!(with(&|config| config.training.recompute = true) > 1.2 * plain);
    assert!(with(&|config| config.model.dropout = 0.1) > plain);
    assert!(with(&|config| config.ema.every = 100) < plain);
}

#[test]
fn a_precision_with_few_samples_is_the_other_in_proportion_and_one_with_none_the_nearest() {
    let mut measured = samples(0.0);
    let mut half = sample(&machine().times(0.5), config(2), 0.0);
    half.config.training.precision = Precision::Bf16;
    half.forward_seconds *= 2.0;
    measured.push(half);
    let rates = Rates::fit(&measured);
    let with = |precision| {
        let mut config = config(5);
        config.training.precision = precision;
        rates.step_seconds(&config) / machine().step_seconds(&config)
    };
    assert!((with(Precision::F32) - 1.0).abs() < 0.02);
    assert!((with(Precision::Bf16) - 0.5).abs() < 0.02);
    assert_eq!(with(Precision::F16), with(Precision::Bf16));
    assert_eq!(with(Precision::Tf32), with(Precision::F32));
    assert!(rates.measured(Precision::Bf16) && !rates.measured(Precision::F16));
}

#[test]
fn a_run_is_its_steps_its_looks_and_its_checkpoints() {
    let mut config = config(1);
    config.training.steps = Some(1000);
    (config.evaluation.every, config.sampling.every, config.checkpoint.every) = (0, 0, 0);
    let rates = machine();
    let seconds = |config: &Config, rates: &Rates| rates.run_seconds(config).unwrap();
    let steps = 1000.0 * rates.step_seconds(&config);
    assert!((seconds(&config, &rates) / steps - 1.0).abs() < 1e-9);

    let slow = rates.clone().with_overheads(Overheads { start_seconds: 2.0, save_seconds_per_byte: 1e-6 });
    let parameters = crate::sizing::parameters(&config.model, &config.data) as f64;
    let saved = seconds(&config, &slow) - steps - 2.0;
    assert!(
        (saved / (4.0 * 4.0 * parameters * 1e-6) - 1.0).abs() < 1e-6,
        "weights, average, two moments once"
    );

    (config.sampling.every, config.sampling.num_samples, config.sampling.steps) = (250, 10, 20);
    let grids = seconds(&config, &rates) - steps;
    assert!((grids / (4.0 * 20.0 * rates.forward_seconds(&config, 10)) - 1.0).abs() < 1e-6);

    (config.training.steps, config.training.epochs) = (None, Some(3));
    assert_eq!(rates.run_seconds(&config), None);
}

#[test]
fn between_one_thread_and_many_a_time_follows_amdahls_law() {
    let (one, eight) = (machine().times(8.0), machine());
    // B/threads alone: at two threads a half of that of one.
    let share = |threads: f64| (1.0 - 1.0 / threads) / (1.0 - 1.0 / 8.0);
    let two = one.between(&eight, share(2.0));
    let ratio = one.step_seconds(&config(3)) / two.step_seconds(&config(3));
    assert!((ratio - 2.0).abs() < 1e-9, "{ratio}");
    assert_eq!(one.between(&eight, 0.0), one);
}

#[test]
fn rates_survive_their_file_and_nothing_measured_is_free() {
    let rates = Rates::fit(&samples(0.01));
    let text = serde_json::to_string(&rates).unwrap();
    assert_eq!(serde_json::from_str::<Rates>(&text).unwrap(), rates);
    assert_eq!(Rates::fit(&[]).step_seconds(&config(0)), 0.0);
    let broken = Sample { step_seconds: f64::NAN, ..samples(0.0).remove(0) };
    assert_eq!(Rates::fit(&[broken]), Rates { host: false, ..Rates::fit(&[]) });
}
