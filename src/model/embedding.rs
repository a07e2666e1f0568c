//! The time embedding: sinusoids of t through a two-layer perceptron.

use burn::module::Module;
use burn::tensor::activation::silu;
use burn::tensor::{Device, FloatDType, Tensor, TensorData};

use super::layer::{Builder, Linear};
use crate::config::Model;
use crate::ops;

/// `linear_1` → silu → `linear_2` over sinusoidal features.
#[derive(Module, Debug)]
pub(super) struct TimeEmbedding {
    linear_1: Linear,
    linear_2: Linear,
    width: usize,
    freq_shift: f64,
    flip_sin_to_cos: bool,
}

impl TimeEmbedding {
    pub(super) fn new<E>(builder: &mut Builder<'_, E>, model: &Model) -> Result<Self, E> {
        let width = model.channels()[0];
        let embed = model.time_embed_dim;
        Ok(Self {
            linear_1: Linear::new(builder, "time_embedding.linear_1", width, embed)?,
            linear_2: Linear::new(builder, "time_embedding.linear_2", embed, embed)?,
            width,
            freq_shift: model.freq_shift,
            flip_sin_to_cos: model.flip_sin_to_cos,
        })
    }

    /// Embeds timesteps: sinusoids in 32-bit floats, the perceptron in `dtype`.
    ///
    /// # Shapes
    /// - `t`: `[N]`, integers in `0..T` as floats; returns `[N, time_embed_dim]`
    pub(super) fn forward(&self, t: Tensor<1>, dtype: FloatDType) -> Tensor<2> {
        let features = self.sinusoids(t).cast(dtype);
        self.linear_2.forward(silu(self.linear_1.forward(features)))
    }

    fn sinusoids(&self, t: Tensor<1>) -> Tensor<2> {
        let n = t.dims()[0];
        let device = t.device();
        let half = self.width / 2;
        let angles = t.reshape([n, 1]) * frequencies(half, self.freq_shift, &device);
        let (sin, cos) = (angles.clone().sin(), angles.cos());
        let mut parts = if self.flip_sin_to_cos { vec![cos, sin] } else { vec![sin, cos] };
        if self.width % 2 == 1 {
            parts.push(Tensor::zeros([n, 1], &device));
        }
        Tensor::cat(parts, 1)
    }
}

/// `exp(−ln(10000)·j/(half − shift))` for j = 0…half−1, rounded to f32 where PyTorch rounds.
fn frequencies(half: usize, shift: f64, device: &Device) -> Tensor<2> {
    let log_period = -(10_000f64.ln()) as f32;
    let scale = (half as f64 - shift) as f32;
    let values: Vec<f32> = (0..half).map(|j| (log_period * j as f32 / scale).exp()).collect();
    ops::upload(TensorData::new(values, [1, half]), device)
}
