//! The whole network: image and timestep in, prediction out.

mod segments;

use burn::module::Module;
use burn::tensor::activation::silu;
use burn::tensor::{Device, Distribution, FloatDType, Tensor};

use super::block::{DownBlock, Level, MidBlock, UpBlock};
use super::embedding::TimeEmbedding;
use super::layer::{Builder, Conv2d, Fill, GroupNorm};
use crate::config::{Data, Model, Precision};

/// Whether dropout is active, and which number format the network works in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Dropout draws from a generator keyed by this number and the block's index.
    Train {
        /// One number per (seed, step, micro-batch).
        dropout_key: u64,
        /// Format of feature maps; weights stay 32-bit floats and are brought to it where they are used.
        precision: Precision,
    },
    /// No dropout, 32-bit floats.
    Eval,
}

impl Mode {
    /// Format of feature maps: every layer works in that of its input.
    fn dtype(self) -> FloatDType {
        match self {
            Mode::Train { precision, .. } => number_format(precision),
            Mode::Eval => FloatDType::F32,
        }
    }

    /// Drops elements with probability `p`, scaling the rest by 1/(1−p); the mask depends on the key and the
    /// block alone.
    pub(super) fn drop_out(self, x: Tensor<4>, p: f64, block: usize) -> Tensor<4> {
        let Mode::Train { dropout_key, .. } = self else { return x };
        if p == 0.0 {
            return x;
        }
        // An odd multiplier spreads neighbouring blocks over the 64-bit seeds.
        let seed = dropout_key ^ (block as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let device = x.device().without_autodiff();
        device.seed(seed);
        let keep = Tensor::<4>::random(x.dims(), Distribution::Bernoulli(1.0 - p), &device);
        // Ones and zeros are exact in any format; 1/(1−p) is not, and as a scalar it is not rounded to it.
        let keep = keep.cast(x.dtype());
        x * keep * (1.0 / (1.0 - p))
    }
}

/// The number format that a precision stands for.
pub(crate) fn number_format(precision: Precision) -> FloatDType {
    match precision {
        Precision::F32 | Precision::Tf32 => FloatDType::F32,
        Precision::Bf16 => FloatDType::BF16,
        Precision::F16 => FloatDType::F16,
    }
}

/// Structure and names of diffusers' `UNet2DModel` (ε-, v- or x0-prediction alike).
#[derive(Module, Debug)]
pub struct UNet {
    conv_in: Conv2d,
    time_embedding: TimeEmbedding,
    down_blocks: Vec<DownBlock>,
    mid_block: MidBlock,
    up_blocks: Vec<UpBlock>,
    conv_norm_out: GroupNorm,
    conv_out: Conv2d,
}

impl UNet {
    /// Builds the network; `fill` gives each tensor's values by published name and shape, row-major.
    ///
    /// # Errors
    /// Whatever `fill` fails with.
    pub fn new<E>(model: &Model, data: &Data, device: &Device, fill: &mut Fill<'_, E>) -> Result<Self, E> {
        let mut builder = Builder { device, init: model.init, fill };
        let builder = &mut builder;
        let channels = model.channels();
        let (first, last) = (channels[0], channels[channels.len() - 1]);
        let index = &mut 0;
        Ok(Self {
            conv_in: Conv2d::same(builder, "conv_in", data.in_channels, first)?,
            time_embedding: TimeEmbedding::new(builder, model)?,
            down_blocks: down_blocks(builder, model, data.image_size, index)?,
            mid_block: MidBlock::new(builder, model, last, index)?,
            up_blocks: up_blocks(builder, model, data.image_size, index)?,
            conv_norm_out: GroupNorm::new(
                builder,
                "conv_norm_out",
                first,
                model.norm_groups,
                model.norm_eps,
            )?,
            conv_out: Conv2d::closing(builder, "conv_out", first, data.in_channels)?,
        })
    }

    /// Predicts ε, v or x0, as it was trained; the result is in 32-bit floats in any mode.
    ///
    /// # Shapes
    /// - `x`: `[N, C, H, W]`; `t`: `[N]`, integers in `0..T` as floats; returns `[N, C, H, W]`
    pub fn forward(&self, x: Tensor<4>, t: Tensor<1>, mode: Mode) -> Tensor<4> {
        let dtype = mode.dtype();
        let time = silu(self.time_embedding.forward(t, dtype));
        let mut x = self.conv_in.forward(x.cast(dtype));
        let mut skips = vec![x.clone()];
        for block in &self.down_blocks {
            x = block.forward(x, &time, &mut skips, mode);
        }
        x = self.mid_block.forward(x, &time, mode);
        for block in &self.up_blocks {
            x = block.forward(x, &time, &mut skips, mode);
        }
        self.predict(x)
    }

    /// What follows the levels.
    fn predict(&self, x: Tensor<4>) -> Tensor<4> {
        self.conv_out.forward(self.conv_norm_out.forward_silu(x, None)).cast(FloatDType::F32)
    }
}

fn down_blocks<E>(
    builder: &mut Builder<'_, E>,
    model: &Model,
    image_size: usize,
    index: &mut usize,
) -> Result<Vec<DownBlock>, E> {
    let channels = model.channels();
    let levels = channels.len();
    (0..levels)
        .map(|i| {
            let level = Level {
                name: format!("down_blocks.{i}"),
                model,
                attention: model.attention_resolutions.contains(&(image_size >> i)),
                resample: i + 1 < levels,
                index,
            };
            DownBlock::new(builder, level, channels[i.saturating_sub(1)], channels[i])
        })
        .collect()
}

/// Level 0 of the way up is the lowest resolution.
fn up_blocks<E>(
    builder: &mut Builder<'_, E>,
    model: &Model,
    image_size: usize,
    index: &mut usize,
) -> Result<Vec<UpBlock>, E> {
    let reversed: Vec<usize> = model.channels().into_iter().rev().collect();
    let levels = reversed.len();
    (0..levels)
        .map(|i| {
            let level = Level {
                name: format!("up_blocks.{i}"),
                model,
                attention: model.attention_resolutions.contains(&(image_size >> (levels - 1 - i))),
                resample: i + 1 < levels,
                index,
            };
            let previous = reversed[i.saturating_sub(1)];
            let skip = reversed[(i + 1).min(levels - 1)];
            UpBlock::new(builder, level, previous, reversed[i], skip)
        })
        .collect()
}
