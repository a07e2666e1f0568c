//! A layer, run by itself until its time is known.

use std::time::{Duration, Instant};

use burn::tensor::{Device, Distribution, FloatDType, Tensor};

use super::Shape;
use crate::config::Config;
use crate::model::number_format;
use crate::ops;
use crate::sizing::Kind;
use crate::train::bench::Spread;
use crate::train::clock::wait_for;

/// Fewest and most repetitions, and how long they go on in between.
const REPETITIONS: std::ops::RangeInclusive<usize> = 3..=30;
const PATIENCE: Duration = Duration::from_millis(200);

/// Times of a forward and of a backward pass.
pub(super) fn measure(shape: &Shape, config: &Config, device: &Device) -> [Spread; 2] {
    let leaves = Leaves { device, format: number_format(config.training.precision) };
    let (n, inputs, outputs) = (shape.images, shape.inputs, shape.outputs);
    match shape.kind {
        Kind::Conv { kernel } => {
            let side = shape.side() * shape.stride;
            let x = leaves.features([n, inputs, side, side], shape.input_gradient);
            let weight = leaves.weights([outputs, inputs, kernel, kernel]);
            let bias = leaves.weights([outputs]);
            let padding = match (shape.stride, config.model.downsample_padding) {
                (1, _) => [kernel / 2; 2],
                (_, 0) => [0, 1],
                (_, padding) => [padding; 2],
            };
            timed(device, || ops::conv2d(x.clone(), weight.clone(), bias.clone(), shape.stride, padding))
        }
        Kind::Linear if shape.positions == 1 => {
            let x = leaves.features([n, inputs], shape.input_gradient);
            let (weight, bias) = (leaves.weights([outputs, inputs]), leaves.weights([outputs]));
            timed(device, || ops::linear(x.clone(), weight.clone(), bias.clone()))
        }
        Kind::Linear => {
            let x = leaves.features([n, shape.positions, inputs], shape.input_gradient);
            let (weight, bias) = (leaves.weights([outputs, inputs]), leaves.weights([outputs]));
            timed(device, || ops::linear(x.clone(), weight.clone(), bias.clone()))
        }
        Kind::GroupNorm => {
            let x = leaves.features([n, inputs, shape.side(), shape.side()], true);
            let (weight, bias) = (leaves.weights([inputs]), leaves.weights([inputs]));
            let (groups, eps) = (config.model.norm_groups, config.model.norm_eps);
            timed(device, || {
                ops::group_norm(x.clone(), weight.clone(), bias.clone(), groups, eps, shape.silu)
            })
        }
        Kind::Attention => {
            let [q, k, v] = [(); 3].map(|()| leaves.features([n, shape.positions, inputs], true));
            let width = config.model.head_dim(inputs);
            // Heads are cut out of joined channels, as in the network.
            let split = |x: &Tensor<3>| -> Tensor<4> {
                x.clone().reshape([n, shape.positions, inputs / width, width]).swap_dims(1, 2)
            };
            timed(device, || ops::attention(split(&q), split(&k), split(&v)))
        }
    }
}

/// Makes what a layer works on.
struct Leaves<'a> {
    device: &'a Device,
    format: FloatDType,
}

impl Leaves<'_> {
    /// A parameter.
    fn weights<const D: usize>(&self, shape: [usize; D]) -> Tensor<D> {
        self.normal(shape).autodiff().require_grad()
    }

    /// The output of a layer before, or data.
    fn features<const D: usize>(&self, shape: [usize; D], gradient: bool) -> Tensor<D> {
        let values = self.normal(shape).cast(self.format).autodiff();
        if gradient { values.require_grad() } else { values }
    }

    fn normal<const D: usize>(&self, shape: [usize; D]) -> Tensor<D> {
        let device = self.device.clone().without_autodiff();
        Tensor::random(shape, Distribution::Normal(0.0, 0.1), &device)
    }
}

/// Repeats a forward and a backward pass. The backward pass of automatic differentiation begins by filling the gradient
/// of the output with ones, which no layer of a network does: the time of the same filling is taken off.
fn timed<const D: usize>(device: &Device, forward: impl Fn() -> Tensor<D>) -> [Spread; 2] {
    let (mut forwards, mut backwards) = (vec![], vec![]);
    let once = || {
        wait_for(device);
        let (y, there) = seconds(device, &forward);
        let inner = y.clone().inner();
        let (_ones, filling) = seconds(device, || inner.ones_like());
        let (_gradients, back) = seconds(device, || y.backward());
        (there, (back - filling).max(0.0))
    };
    once();
    let begun = Instant::now();
    while forwards.len() < *REPETITIONS.start()
        || forwards.len() < *REPETITIONS.end() && begun.elapsed() < PATIENCE
    {
        let (there, back) = once();
        forwards.push(there);
        backwards.push(back);
    }
    [Spread::of(forwards), Spread::of(backwards)]
}

/// What is done, and how long it took.
fn seconds<T>(device: &Device, work: impl FnOnce() -> T) -> (T, f64) {
    let started = Instant::now();
    let made = work();
    wait_for(device);
    (made, started.elapsed().as_secs_f64())
}
