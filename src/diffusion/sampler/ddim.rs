//! DDIM (Song et al. 2021): the non-Markovian chain that shares DDPM's network.

use burn::tensor::Tensor;

use crate::config::{PredictionType, Sampling};
use crate::diffusion::{Schedule, timesteps};

/// The network as a sampler sees it: images and one timestep in, prediction out.
pub type Network<'a> = dyn FnMut(Tensor<4>, usize) -> Tensor<4> + 'a;

/// One configured chain.
pub struct Ddim<'a> {
    /// ᾱ_t.
    pub schedule: &'a Schedule,
    /// What the network predicts.
    pub prediction: PredictionType,
    /// Steps, spacing, η and clipping.
    pub settings: &'a Sampling,
    /// ᾱ before the first step: 1, or ᾱ_0 where diffusers' `set_alpha_to_one` is false.
    pub final_alpha_bar: f64,
}

impl Ddim<'_> {
    /// Runs the chain.
    ///
    /// `noise` gives the fresh noise of a step, numbered from 0; it is asked only where η > 0.
    ///
    /// # Shapes
    /// - `x`: `[N, C, H, W]`, standard normal; returns the same shape, near [-1, 1]
    pub fn sample(
        &self,
        mut x: Tensor<4>,
        network: &mut Network<'_>,
        noise: &mut dyn FnMut(usize) -> Tensor<4>,
    ) -> Tensor<4> {
        let Sampling { steps, timestep_spacing, steps_offset, .. } = *self.settings;
        let total = self.schedule.len();
        for (i, t) in timesteps(timestep_spacing, total, steps, steps_offset).into_iter().enumerate() {
            let prediction = network(x.clone(), t);
            let before = t.checked_sub(total / steps);
            x = self.step(x, prediction, t, before, &mut || noise(i));
        }
        x
    }

    /// From t to the step before it (Eq. 12 and 16).
    fn step(
        &self,
        x: Tensor<4>,
        prediction: Tensor<4>,
        t: usize,
        before: Option<usize>,
        noise: &mut dyn FnMut() -> Tensor<4>,
    ) -> Tensor<4> {
        let alpha_bar = self.schedule.alpha_bars[t];
        let alpha_bar_before = before.map_or(self.final_alpha_bar, |t| self.schedule.alpha_bars[t]);
        let (signal, spread) = (alpha_bar.sqrt(), (1.0 - alpha_bar).sqrt());
        let (x0, eps) = match self.prediction {
            PredictionType::Epsilon => ((x - prediction.clone() * spread) / signal, prediction),
            PredictionType::V => {
                (x.clone() * signal - prediction.clone() * spread, prediction * signal + x * spread)
            }
            PredictionType::X0 => (prediction.clone(), (x - prediction * signal) / spread),
        };
        let x0 = if self.settings.clip_sample { x0.clamp(-1.0, 1.0) } else { x0 };
        let variance = (1.0 - alpha_bar_before) / (1.0 - alpha_bar) * (1.0 - alpha_bar / alpha_bar_before);
        let sigma = self.settings.eta * variance.max(0.0).sqrt();
        let direction = (1.0 - alpha_bar_before - sigma * sigma).max(0.0).sqrt();
        let mean = x0 * alpha_bar_before.sqrt() + eps * direction;
        if sigma > 0.0 { mean + noise() * sigma } else { mean }
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::TensorData;

    use super::*;
    use crate::config::{Diffusion, defaults};

    /// Σ|x| after ten steps with the stand-in network s·t/(t+1), as diffusers' own scheduler tests run it.
    fn golden(prediction: PredictionType, beta_start: f64, final_is_one: bool) -> f64 {
        let config = defaults();
        let diffusion = Diffusion { beta_start, prediction_type: prediction, ..config.diffusion };
        let settings = Sampling { steps: 10, ..config.sampling };
        let schedule = Schedule::new(&diffusion).unwrap();
        let final_alpha_bar = if final_is_one { 1.0 } else { schedule.alpha_bars[0] };
        let (_, device) = crate::ops::open(crate::ops::DeviceName::Cpu).unwrap();
        let values: Vec<f32> = (0..768).map(|i| i as f32 / 768.0).collect();
        // diffusers fills [3, 16, 16, 1] in that order and moves the last axis to the front.
        let x =
            Tensor::<4>::from_data(TensorData::new(values, [3, 16, 16, 1]), &device).permute([3, 0, 1, 2]);
        let chain = Ddim { schedule: &schedule, prediction, settings: &settings, final_alpha_bar };
        let out =
            chain.sample(x, &mut |x, t| x * (t as f64 / (t as f64 + 1.0)), &mut |_| unreachable!("eta is 0"));
        out.abs().sum().into_scalar::<f32>().into()
    }

    #[test]
    fn ten_steps_agree_with_diffusers_golden_sums() {
        let close = |value: f64, wanted: f64| (value - wanted).abs() < 2e-3;
        assert!(close(golden(PredictionType::Epsilon, 1e-4, true), 172.0067));
        assert!(close(golden(PredictionType::V, 1e-4, true), 52.5302));
        assert!(close(golden(PredictionType::Epsilon, 0.01, true), 149.8295));
        assert!(close(golden(PredictionType::Epsilon, 0.01, false), 149.0784));
    }
}
