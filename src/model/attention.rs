//! Self-attention over the positions of a feature map, with a residual connection.

use burn::module::Module;
use burn::tensor::Tensor;

use super::layer::{Builder, GroupNorm, Linear};
use crate::config::Model;
use crate::ops;

/// group norm → q, k, v → attention per head → out → + x.
#[derive(Module, Debug)]
pub(super) struct Attention {
    group_norm: GroupNorm,
    to_q: Linear,
    to_k: Linear,
    to_v: Linear,
    /// One linear; a list because its published name is `to_out.0`.
    to_out: Vec<Linear>,
    heads: usize,
}

impl Attention {
    pub(super) fn new<E>(
        builder: &mut Builder<'_, E>,
        name: &str,
        channels: usize,
        model: &Model,
    ) -> Result<Self, E> {
        let mut linear = |part: &str| Linear::new(builder, &format!("{name}.{part}"), channels, channels);
        let (to_q, to_k, to_v) = (linear("to_q")?, linear("to_k")?, linear("to_v")?);
        let to_out = Linear::closing(builder, &format!("{name}.to_out.0"), channels, channels)?;
        let norm = format!("{name}.group_norm");
        Ok(Self {
            group_norm: GroupNorm::new(builder, &norm, channels, model.norm_groups, model.norm_eps)?,
            to_q,
            to_k,
            to_v,
            to_out: vec![to_out],
            heads: channels / model.head_dim(channels),
        })
    }

    /// # Shapes
    /// - `x`: `[N, C, H, W]`; returns the same
    pub(super) fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let normed = self.group_norm.forward(x.clone());
        let inner = [&self.to_q, &self.to_k, &self.to_v].map(Linear::parts);
        ops::self_attention(x, normed, inner, self.to_out[0].parts(), self.heads)
    }
}
