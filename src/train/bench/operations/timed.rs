//! A layer, run by itself until its time is known.

use std::time::{Duration, Instant};

use burn::tensor::{Device, Distribution, FloatDType, Tensor};

use super::shape::{Shape, Unit};
use crate::config::Config;
use crate::model::number_format;
use crate::ops;
use crate::train::bench::Spread;
use crate::train::clock::wait_for;

/// Fewest and most repetitions, and how long they go on in between.
const REPETITIONS: std::ops::RangeInclusive<usize> = 3..=30;
const PATIENCE: Duration = Duration::from_millis(200);

/// Times of a forward and of a backward pass.
pub(super) fn measure(shape: &Shape, config: &Config, device: &Device) -> [Spread; 2] {
    let leaves = Leaves { device, format: number_format(config.training.precision) };
    match shape.unit {
        Unit::Conv { kernel, stride } => convolution(shape, [kernel, stride], config, &leaves),
        Unit::UpsampledConv => {
            let x = leaves.map(shape, shape.inputs);
            let (weight, bias) = leaves.kernel(shape, 3);
            timed(device, || ops::upsample_conv2d(x.clone(), weight.clone(), bias.clone()))
        }
        Unit::Pointwise { skip } => {
            let x = leaves.map(shape, shape.inputs - skip);
            let skip = (skip > 0).then(|| leaves.map(shape, skip));
            let (weight, bias) = leaves.kernel(shape, 1);
            timed(device, || ops::pointwise(x.clone(), skip.clone(), weight.clone(), bias.clone()))
        }
        Unit::Linear => {
            let x = leaves.features([shape.images, shape.inputs], shape.input_gradient);
            let (weight, bias) = leaves.linear(shape.inputs, shape.outputs);
            timed(device, || ops::linear(x.clone(), weight.clone(), bias.clone()))
        }
        Unit::Norm | Unit::NormSilu { .. } | Unit::NormSiluOfSum => norm(shape, config, &leaves),
        Unit::SelfAttention => {
            let c = shape.inputs;
            let (x, normed) = (leaves.map(shape, c), leaves.map(shape, c));
            let inner = [(); 3].map(|()| leaves.linear(c, c));
            let outer = leaves.linear(c, c);
            let heads = c / config.model.head_dim(c);
            timed(device, || {
                ops::self_attention(x.clone(), normed.clone(), inner.clone(), outer.clone(), heads)
            })
        }
    }
}

fn convolution(
    shape: &Shape,
    [kernel, stride]: [usize; 2],
    config: &Config,
    leaves: &Leaves<'_>,
) -> [Spread; 2] {
    let x = leaves.map(shape, shape.inputs);
    let (weight, bias) = leaves.kernel(shape, kernel);
    let padding = match (stride, config.model.downsample_padding) {
        (1, _) => [kernel / 2; 2],
        (_, 0) => [0, 1],
        (_, padding) => [padding; 2],
    };
    timed(leaves.device, || ops::conv2d(x.clone(), weight.clone(), bias.clone(), stride, padding))
}

fn norm(shape: &Shape, config: &Config, leaves: &Leaves<'_>) -> [Spread; 2] {
    let c = shape.inputs;
    let (groups, eps) = (config.model.norm_groups, config.model.norm_eps);
    let (weight, bias) = (leaves.weights([c]), leaves.weights([c]));
    let scale = || (weight.clone(), bias.clone());
    match shape.unit {
        Unit::NormSilu { skip } if skip > 0 => {
            let (x, skip) = (leaves.map(shape, c - skip), leaves.map(shape, skip));
            timed(leaves.device, || {
                let (weight, bias) = scale();
                ops::group_norm_of_joined(x.clone(), skip.clone(), weight, bias, groups, eps, true)
            })
        }
        Unit::NormSiluOfSum => {
            let (x, time) = (leaves.map(shape, c), leaves.features([shape.images, c], true));
            timed(leaves.device, || {
                let (weight, bias) = scale();
                ops::group_norm_of_sum(x.clone(), time.clone(), weight, bias, groups, eps, true)
            })
        }
        unit => {
            let x = leaves.map(shape, c);
            timed(leaves.device, || {
                let (weight, bias) = scale();
                ops::group_norm(x.clone(), weight, bias, groups, eps, unit != Unit::Norm)
            })
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

    /// Weight and bias of a convolution.
    fn kernel(&self, shape: &Shape, size: usize) -> (Tensor<4>, Tensor<1>) {
        (self.weights([shape.outputs, shape.inputs, size, size]), self.weights([shape.outputs]))
    }

    /// Weight and bias of a linear map.
    fn linear(&self, inputs: usize, outputs: usize) -> (Tensor<2>, Tensor<1>) {
        (self.weights([outputs, inputs]), self.weights([outputs]))
    }

    /// So many channels of what an operation reads.
    fn map(&self, shape: &Shape, channels: usize) -> Tensor<4> {
        let (n, side) = (shape.images, shape.input_side());
        let drawn = self.normal([n, side, side, channels]).cast(self.format);
        let map = match ops::in_own_format(&drawn) {
            // As the operations before it leave it.
            true => drawn.permute([0, 3, 1, 2]),
            false => drawn.reshape([n, channels, side, side]),
        };
        leaf(map, shape.input_gradient)
    }

    /// The output of a layer before, or data.
    fn features<const D: usize>(&self, shape: [usize; D], gradient: bool) -> Tensor<D> {
        leaf(self.normal(shape).cast(self.format), gradient)
    }

    fn normal<const D: usize>(&self, shape: [usize; D]) -> Tensor<D> {
        let device = self.device.clone().without_autodiff();
        Tensor::random(shape, Distribution::Normal(0.0, 0.1), &device)
    }
}

fn leaf<const D: usize>(values: Tensor<D>, gradient: bool) -> Tensor<D> {
    let values = values.autodiff();
    if gradient { values.require_grad() } else { values }
}

/// Repeats a forward and a backward pass, which begins with a gradient of the output that is there already.
fn timed<const D: usize>(device: &Device, forward: impl Fn() -> Tensor<D>) -> [Spread; 2] {
    let (mut forwards, mut backwards) = (vec![], vec![]);
    let once = || {
        wait_for(device);
        let (y, there) = seconds(device, &forward);
        let gradient = y.clone().inner() * 0.5;
        wait_for(device);
        let (_gradients, back) =
            seconds(device, || ops::seed(Tensor::zeros([1], device), y, gradient).backward());
        (there, back)
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
