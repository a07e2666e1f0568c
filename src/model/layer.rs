//! Layers that own weights: linear, convolution and group norm, each named and laid out as in PyTorch.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData};

use crate::config::ModelInit;
use crate::ops;

/// How a tensor starts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Init {
    /// Uniform in ±bound.
    Uniform(f64),
    /// All ones.
    Ones,
    /// All zeros.
    Zeros,
}

/// Gives the values of the tensor of a name and shape, row-major.
pub type Fill<'a, E> = dyn FnMut(&str, &[usize], Init) -> Result<Vec<f32>, E> + 'a;

/// Makes tensors by name while a network is put together.
pub(super) struct Builder<'a, E> {
    pub(super) device: &'a Device,
    pub(super) init: ModelInit,
    pub(super) fill: &'a mut Fill<'a, E>,
}

/// Where a layer stands, as far as its start depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Others follow before its output is added to something.
    Inner,
    /// Its output ends a residual branch, or the network.
    Closing,
}

impl<E> Builder<'_, E> {
    /// How weight and bias of a layer start, `taps` being the kernel's area: kaiming-uniform with a = √5 and a
    /// bias alike, ±1/√fan-in, as PyTorch's layers; or variance 1/fan-average and no bias, nothing at all where a
    /// branch closes, as Ho et al. 2020 (their 1e-10 made exact).
    fn starts(&self, [inputs, outputs]: [usize; 2], taps: usize, place: Place) -> [Init; 2] {
        match (self.init, place) {
            (ModelInit::Torch, _) => [Init::Uniform(((inputs * taps) as f64).powf(-0.5)); 2],
            (ModelInit::Ddpm, Place::Closing) => [Init::Zeros; 2],
            (ModelInit::Ddpm, Place::Inner) => {
                // A uniform distribution has the variance bound²/3.
                let fan_average = ((inputs + outputs) * taps) as f64 / 2.0;
                [Init::Uniform((3.0 / fan_average).sqrt()), Init::Zeros]
            }
        }
    }

    fn tensor<const D: usize>(
        &mut self,
        name: String,
        shape: [usize; D],
        init: Init,
    ) -> Result<Param<Tensor<D>>, E> {
        let values = (self.fill)(&name, &shape, init)?;
        Ok(Param::from_data(TensorData::new(values, shape), self.device))
    }
}

/// `y = x·Wᵀ + b`.
#[derive(Module, Debug)]
pub(super) struct Linear {
    weight: Param<Tensor<2>>,
    bias: Param<Tensor<1>>,
}

impl Linear {
    pub(super) fn new<E>(
        builder: &mut Builder<'_, E>,
        name: &str,
        inputs: usize,
        outputs: usize,
    ) -> Result<Self, E> {
        Self::placed(builder, name, [inputs, outputs], Place::Inner)
    }

    /// The last layer of a residual branch.
    pub(super) fn closing<E>(
        builder: &mut Builder<'_, E>,
        name: &str,
        inputs: usize,
        outputs: usize,
    ) -> Result<Self, E> {
        Self::placed(builder, name, [inputs, outputs], Place::Closing)
    }

    fn placed<E>(
        builder: &mut Builder<'_, E>,
        name: &str,
        [inputs, outputs]: [usize; 2],
        place: Place,
    ) -> Result<Self, E> {
        let [weight, bias] = builder.starts([inputs, outputs], 1, place);
        Ok(Self {
            weight: builder.tensor(format!("{name}.weight"), [outputs, inputs], weight)?,
            bias: builder.tensor(format!("{name}.bias"), [outputs], bias)?,
        })
    }

    pub(super) fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        ops::linear(x, self.weight.val(), self.bias.val())
    }

    /// Weight and bias.
    pub(super) fn parts(&self) -> (Tensor<2>, Tensor<1>) {
        (self.weight.val(), self.bias.val())
    }
}

/// A square convolution.
#[derive(Module, Debug)]
pub(super) struct Conv2d {
    weight: Param<Tensor<4>>,
    bias: Param<Tensor<1>>,
    stride: usize,
    padding: [usize; 2],
}

impl Conv2d {
    /// A 3×3 convolution that keeps the resolution.
    pub(super) fn same<E>(
        builder: &mut Builder<'_, E>,
        name: &str,
        inputs: usize,
        outputs: usize,
    ) -> Result<Self, E> {
        Self::new(builder, name, [inputs, outputs], Place::Inner, (3, 1, [1, 1]))
    }

    /// The last 3×3 convolution of a residual branch or of the network.
    pub(super) fn closing<E>(
        builder: &mut Builder<'_, E>,
        name: &str,
        inputs: usize,
        outputs: usize,
    ) -> Result<Self, E> {
        Self::new(builder, name, [inputs, outputs], Place::Closing, (3, 1, [1, 1]))
    }

    /// A 1×1 convolution.
    pub(super) fn pointwise<E>(
        builder: &mut Builder<'_, E>,
        name: &str,
        inputs: usize,
        outputs: usize,
    ) -> Result<Self, E> {
        Self::new(builder, name, [inputs, outputs], Place::Inner, (1, 1, [0, 0]))
    }

    /// A 3×3 convolution that halves the resolution; padding 0 adds one zero row right and bottom only.
    pub(super) fn halving<E>(
        builder: &mut Builder<'_, E>,
        name: &str,
        channels: usize,
        padding: usize,
    ) -> Result<Self, E> {
        let padding = if padding == 0 { [0, 1] } else { [padding, padding] };
        Self::new(builder, name, [channels, channels], Place::Inner, (3, 2, padding))
    }

    fn new<E>(
        builder: &mut Builder<'_, E>,
        name: &str,
        [inputs, outputs]: [usize; 2],
        place: Place,
        (kernel, stride, padding): (usize, usize, [usize; 2]),
    ) -> Result<Self, E> {
        let [weight, bias] = builder.starts([inputs, outputs], kernel * kernel, place);
        Ok(Self {
            weight: builder.tensor(format!("{name}.weight"), [outputs, inputs, kernel, kernel], weight)?,
            bias: builder.tensor(format!("{name}.bias"), [outputs], bias)?,
            stride,
            padding,
        })
    }

    pub(super) fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        ops::conv2d(x, self.weight.val(), self.bias.val(), self.stride, self.padding)
    }

    /// A [`Conv2d::pointwise`] of the channels of `x` and then those of `skip`.
    pub(super) fn forward_joined(&self, x: Tensor<4>, skip: Option<Tensor<4>>) -> Tensor<4> {
        ops::pointwise(x, skip, self.weight.val(), self.bias.val())
    }

    /// Nearest ×2, then a [`Conv2d::same`].
    pub(super) fn forward_upsampled(&self, x: Tensor<4>) -> Tensor<4> {
        ops::upsample_conv2d(x, self.weight.val(), self.bias.val())
    }
}

/// Group normalisation with a scale and a shift per channel.
#[derive(Module, Debug)]
pub(super) struct GroupNorm {
    weight: Param<Tensor<1>>,
    bias: Param<Tensor<1>>,
    groups: usize,
    eps: f64,
}

impl GroupNorm {
    pub(super) fn new<E>(
        builder: &mut Builder<'_, E>,
        name: &str,
        channels: usize,
        groups: usize,
        eps: f64,
    ) -> Result<Self, E> {
        Ok(Self {
            weight: builder.tensor(format!("{name}.weight"), [channels], Init::Ones)?,
            bias: builder.tensor(format!("{name}.bias"), [channels], Init::Zeros)?,
            groups,
            eps,
        })
    }

    pub(super) fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        ops::group_norm(x, self.weight.val(), self.bias.val(), self.groups, self.eps, false)
    }

    /// The norm, then silu; of the channels of `x` and then, where it is given, those of `skip`.
    pub(super) fn forward_silu(&self, x: Tensor<4>, skip: Option<Tensor<4>>) -> Tensor<4> {
        let (weight, bias) = (self.weight.val(), self.bias.val());
        match skip {
            Some(skip) => ops::group_norm_of_joined(x, skip, weight, bias, self.groups, self.eps, true),
            None => ops::group_norm(x, weight, bias, self.groups, self.eps, true),
        }
    }

    /// The norm of `x` with `addend`, `[N, C]`, added to every position; then silu.
    pub(super) fn forward_silu_of_sum(&self, x: Tensor<4>, addend: Tensor<2>) -> Tensor<4> {
        let (weight, bias) = (self.weight.val(), self.bias.val());
        ops::group_norm_of_sum(x, addend, weight, bias, self.groups, self.eps, true)
    }
}
