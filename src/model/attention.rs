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
        let [n, c, h, w] = x.dims();
        let positions: Tensor<3> = self.group_norm.forward(x.clone()).reshape([n, c, h * w]).swap_dims(1, 2);
        let split =
            |t: Tensor<3>| -> Tensor<4> { t.reshape([n, h * w, self.heads, c / self.heads]).swap_dims(1, 2) };
        let mixed = ops::attention(
            split(self.to_q.forward(positions.clone())),
            split(self.to_k.forward(positions.clone())),
            split(self.to_v.forward(positions)),
        );
        let joined: Tensor<3> = mixed.swap_dims(1, 2).reshape([n, h * w, c]);
        let out = self.to_out[0].forward(joined);
        out.swap_dims(1, 2).reshape([n, c, h, w]) + x
    }
}
