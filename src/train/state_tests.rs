//! Tests of what a checkpoint saves, and of the two starts of a network.

use super::*;
use crate::config::{Ema, ModelInit, Tracks};
use crate::model::Mode;
use crate::ops::testing::device;
use crate::train::small::small;

#[test]
fn ddpm_starts_are_fan_average_uniform_without_biases_and_closed_branches() {
    let mut config = small();
    config.model.init = ModelInit::Ddpm;
    let mut seen = [0; 3];
    for tensor in named_tensors(&initial_network(&config, &device())) {
        let NamedTensor { name, shape, values } = tensor;
        let all = |wanted: f32| values.iter().all(|value| *value == wanted);
        let closing =
            name.ends_with("conv2.weight") || name.ends_with("to_out.0.weight") || name == "conv_out.weight";
        if shape.len() == 1 {
            let scale = name.contains("norm") && name.ends_with("weight");
            assert!(all(if scale { 1.0 } else { 0.0 }), "{name}");
            seen[0] += 1;
        } else if closing {
            assert!(all(0.0), "{name}");
            seen[1] += 1;
        } else {
            let taps: usize = shape[2..].iter().product();
            // Variance 1/fan-average of a uniform distribution: its bound is √(6/(fan-in + fan-out)).
            let bound = (6.0 / ((shape[0] + shape[1]) * taps) as f64).sqrt();
            let largest = values.iter().fold(0.0_f64, |most, value| most.max(f64::from(value.abs())));
            assert!(largest <= bound && largest > 0.8 * bound, "{name}: {largest} of {bound}");
            let variance =
                values.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>() / values.len() as f64;
            let expected = bound * bound / 3.0;
            // Four standard errors: those of a uniform's square are 2/√5 of its mean.
            let tolerance = 4.0 * 2.0 / (5.0 * values.len() as f64).sqrt();
            assert!((variance / expected - 1.0).abs() < tolerance, "{name}: {variance} of {expected}");
            seen[2] += 1;
        }
    }
    // Eight residual blocks, four attentions and the last convolution close something.
    assert!(seen[0] > 50 && seen[1] == 8 + 4 + 1 && seen[2] > 20, "{seen:?}");
}

#[test]
fn a_ddpm_network_predicts_nothing_at_first_and_pytorchs_something() {
    let device = device();
    let largest = |init: ModelInit| {
        let mut config = small();
        config.model.init = init;
        let mut values = vec![0.0; 2 * 3 * 8 * 8];
        uniform_fill(1, "x", 1.0, &mut values);
        let x = Tensor::<4>::from_data(TensorData::new(values, [2, 3, 8, 8]), &device);
        let t = Tensor::from_floats([3.0, 700.0], &device);
        let y = initial_network(&config, &device).forward(x, t, Mode::Eval);
        y.abs().max().into_scalar::<f32>()
    };
    assert_eq!(largest(ModelInit::Ddpm), 0.0);
    assert!(largest(ModelInit::Torch) > 1e-3);
}

#[test]
fn every_average_is_saved_under_its_name_and_comes_back() {
    let mut config = small();
    config.ema = Ema { decay: Tracks::new(vec![0.999, 0.9]).unwrap(), ..config.ema };
    let mut state = State::start(&config, &device()).unwrap();
    for (average, offset) in state.averages.iter_mut().zip([1.0, 2.0]) {
        average[0] = average[0].clone() + offset;
    }
    let folder = tempfile::tempdir().unwrap();
    state.save(&config, folder.path()).unwrap();
    let mut names: Vec<_> =
        std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    let expected = [
        "ema-0.9.safetensors",
        "ema.safetensors",
        "model.safetensors",
        "optimizer.safetensors",
        "progress.json",
    ];
    assert_eq!(names, expected);
    let loaded = State::load(&config, &device(), folder.path()).unwrap();
    let first = |flat: &Flat| flat[0].to_data().try_into_vec::<f32>().unwrap();
    for (ours, theirs) in loaded.averages.iter().zip(&state.averages) {
        assert_eq!(first(ours), first(theirs));
    }
    assert_ne!(first(&loaded.averages[0]), first(&loaded.averages[1]));
}

#[test]
fn the_first_bad_tensor_is_named_by_what_it_is() {
    let config = small();
    let mut state = State::start(&config, &device()).unwrap();
    assert_eq!(state.first_bad_tensor(&config), None);
    let spoil = |flat: &mut Flat, at: usize, by: f32| flat[at] = flat[at].clone() * 0.0 + by;
    spoil(&mut state.optimizer.second, 3, f32::INFINITY);
    assert_eq!(
        state.first_bad_tensor(&config).unwrap(),
        format!("second moment of {}", parameter_names(&state.network)[3].0)
    );
    spoil(&mut state.averages[0], 1, f32::NEG_INFINITY);
    assert_eq!(state.first_bad_tensor(&config).unwrap(), "ema-0.999 of conv_in.bias");
    let mut weights = parameters::weights(&state.network);
    spoil(&mut weights, 0, f32::NAN);
    state.network = parameters::with_weights(state.network, weights);
    assert_eq!(state.first_bad_tensor(&config).unwrap(), "conv_in.weight");
}
