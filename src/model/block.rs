//! Residual blocks and the levels made of them.

use burn::module::Module;
use burn::tensor::Tensor;

use super::attention::Attention;
use super::layer::{Builder, Conv2d, GroupNorm, Linear};
use super::unet::Mode;
use crate::config::Model;
use crate::ops;

/// norm → silu → conv → + time → norm → silu → dropout → conv, plus the (projected) input.
#[derive(Module, Debug)]
pub(super) struct Resnet {
    norm1: GroupNorm,
    conv1: Conv2d,
    time_emb_proj: Linear,
    norm2: GroupNorm,
    conv2: Conv2d,
    conv_shortcut: Option<Conv2d>,
    dropout: f64,
    /// Number of this block in the network; keys its dropout.
    index: usize,
}

impl Resnet {
    fn new<E>(
        builder: &mut Builder<'_, E>,
        name: &str,
        [inputs, outputs]: [usize; 2],
        index: &mut usize,
        model: &Model,
    ) -> Result<Self, E> {
        let part = |part: &str| format!("{name}.{part}");
        let (groups, eps) = (model.norm_groups, model.norm_eps);
        *index += 1;
        Ok(Self {
            norm1: GroupNorm::new(builder, &part("norm1"), inputs, groups, eps)?,
            conv1: Conv2d::same(builder, &part("conv1"), inputs, outputs)?,
            time_emb_proj: Linear::new(builder, &part("time_emb_proj"), model.time_embed_dim, outputs)?,
            norm2: GroupNorm::new(builder, &part("norm2"), outputs, groups, eps)?,
            conv2: Conv2d::closing(builder, &part("conv2"), outputs, outputs)?,
            conv_shortcut: (inputs != outputs)
                .then(|| Conv2d::pointwise(builder, &part("conv_shortcut"), inputs, outputs))
                .transpose()?,
            dropout: model.dropout,
            index: *index - 1,
        })
    }

    /// `time` is silu of the time embedding, `[N, time_embed_dim]`; the channels of `skip` follow those of `x`.
    fn forward(&self, x: Tensor<4>, skip: Option<Tensor<4>>, time: Tensor<2>, mode: Mode) -> Tensor<4> {
        let h = self.conv1.forward(self.norm1.forward_silu(x.clone(), skip.clone()));
        let h = self.norm2.forward_silu_of_sum(h, self.time_emb_proj.forward(time));
        let h = self.conv2.forward(mode.drop_out(h, self.dropout, self.index));
        let shortcut = match (&self.conv_shortcut, skip) {
            (Some(conv), skip) => conv.forward_joined(x, skip),
            (None, Some(skip)) => Tensor::cat(vec![x, skip], 1),
            (None, None) => x,
        };
        shortcut + h
    }
}

/// A stride-2 convolution under its published name.
#[derive(Module, Debug)]
pub(super) struct Downsample {
    conv: Conv2d,
}

/// Nearest ×2 followed by a convolution.
#[derive(Module, Debug)]
pub(super) struct Upsample {
    conv: Conv2d,
}

/// One level on the way down.
#[derive(Module, Debug)]
pub(super) struct DownBlock {
    resnets: Vec<Resnet>,
    attentions: Vec<Attention>,
    downsamplers: Vec<Downsample>,
}

/// What a level needs to know of its place in the network.
pub(super) struct Level<'a> {
    pub(super) name: String,
    pub(super) model: &'a Model,
    pub(super) attention: bool,
    /// Whether another level follows in this direction.
    pub(super) resample: bool,
    /// Numbers the residual blocks of the whole network.
    pub(super) index: &'a mut usize,
}

impl Level<'_> {
    /// `count` residual blocks of the widths `[inputs, outputs]`, each with its attention where the level has it.
    fn layers<E>(
        &mut self,
        builder: &mut Builder<'_, E>,
        count: usize,
        widths: impl Fn(usize) -> [usize; 2],
    ) -> Result<(Vec<Resnet>, Vec<Attention>), E> {
        let (mut resnets, mut attentions) = (vec![], vec![]);
        for j in 0..count {
            let resnet = format!("{}.resnets.{j}", self.name);
            resnets.push(Resnet::new(builder, &resnet, widths(j), self.index, self.model)?);
            if self.attention {
                let attention = format!("{}.attentions.{j}", self.name);
                attentions.push(Attention::new(builder, &attention, widths(j)[1], self.model)?);
            }
        }
        Ok((resnets, attentions))
    }
}

impl DownBlock {
    pub(super) fn new<E>(
        builder: &mut Builder<'_, E>,
        mut level: Level<'_>,
        inputs: usize,
        outputs: usize,
    ) -> Result<Self, E> {
        let widths = |j| [if j == 0 { inputs } else { outputs }, outputs];
        let (resnets, attentions) = level.layers(builder, level.model.num_res_blocks, widths)?;
        let mut downsamplers = vec![];
        if level.resample {
            let conv = format!("{}.downsamplers.0.conv", level.name);
            let conv = Conv2d::halving(builder, &conv, outputs, level.model.downsample_padding)?;
            downsamplers.push(Downsample { conv });
        }
        Ok(Self { resnets, attentions, downsamplers })
    }

    /// Returns the lowest output; every output is pushed to `skips`.
    pub(super) fn forward(
        &self,
        mut x: Tensor<4>,
        time: &Tensor<2>,
        skips: &mut Vec<Tensor<4>>,
        mode: Mode,
    ) -> Tensor<4> {
        for (j, resnet) in self.resnets.iter().enumerate() {
            x = resnet.forward(x, None, time.clone(), mode);
            if let Some(attention) = self.attentions.get(j) {
                x = attention.forward(x);
            }
            skips.push(x.clone());
        }
        if let Some(down) = self.downsamplers.first() {
            x = down.conv.forward(x);
            skips.push(x.clone());
        }
        x
    }
}

/// The lowest resolution: resnet, attention, resnet.
#[derive(Module, Debug)]
pub(super) struct MidBlock {
    resnets: Vec<Resnet>,
    attentions: Vec<Attention>,
}

impl MidBlock {
    pub(super) fn new<E>(
        builder: &mut Builder<'_, E>,
        model: &Model,
        channels: usize,
        index: &mut usize,
    ) -> Result<Self, E> {
        let widths = [channels, channels];
        let first = Resnet::new(builder, "mid_block.resnets.0", widths, index, model)?;
        let second = Resnet::new(builder, "mid_block.resnets.1", widths, index, model)?;
        let attentions = match model.mid_attention {
            true => vec![Attention::new(builder, "mid_block.attentions.0", channels, model)?],
            false => vec![],
        };
        Ok(Self { resnets: vec![first, second], attentions })
    }

    pub(super) fn forward(&self, x: Tensor<4>, time: &Tensor<2>, mode: Mode) -> Tensor<4> {
        let mut x = self.resnets[0].forward(x, None, time.clone(), mode);
        if let Some(attention) = self.attentions.first() {
            x = attention.forward(x);
        }
        self.resnets[1].forward(x, None, time.clone(), mode)
    }
}

/// One level on the way up.
#[derive(Module, Debug)]
pub(super) struct UpBlock {
    resnets: Vec<Resnet>,
    attentions: Vec<Attention>,
    upsamplers: Vec<Upsample>,
}

impl UpBlock {
    /// `previous` channels come from below, `skip` from the level above on the way down.
    pub(super) fn new<E>(
        builder: &mut Builder<'_, E>,
        mut level: Level<'_>,
        previous: usize,
        outputs: usize,
        skip: usize,
    ) -> Result<Self, E> {
        let last = level.model.num_res_blocks;
        let widths = |j| {
            let below = if j == 0 { previous } else { outputs };
            let beside = if j == last { skip } else { outputs };
            [below + beside, outputs]
        };
        let (resnets, attentions) = level.layers(builder, last + 1, widths)?;
        let mut upsamplers = vec![];
        if level.resample {
            let conv = format!("{}.upsamplers.0.conv", level.name);
            upsamplers.push(Upsample { conv: Conv2d::same(builder, &conv, outputs, outputs)? });
        }
        Ok(Self { resnets, attentions, upsamplers })
    }

    /// Takes its skips from the end of `skips`, last in first out.
    pub(super) fn forward(
        &self,
        mut x: Tensor<4>,
        time: &Tensor<2>,
        skips: &mut Vec<Tensor<4>>,
        mode: Mode,
    ) -> Tensor<4> {
        for (j, resnet) in self.resnets.iter().enumerate() {
            let skip = skips.pop().expect("the way down pushed one skip for each block on the way up");
            let (joined, skip) = ops::side_by_side(x, skip);
            x = resnet.forward(joined, skip, time.clone(), mode);
            if let Some(attention) = self.attentions.get(j) {
                x = attention.forward(x);
            }
        }
        match self.upsamplers.first() {
            Some(up) => up.conv.forward_upsampled(x),
            None => x,
        }
    }
}
