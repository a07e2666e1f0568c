//! Bits per dimension of the whole chain: every timestep of every image.

use burn::module::Module;

use super::Evaluator;
use super::ask::Question;
use crate::data::chain_noise;
use crate::diffusion::bound::Bound;
use crate::diffusion::prediction::read;
use crate::model::UNet;

/// The bound, and the parts of it that say where it comes from.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ChainBits {
    /// All terms together.
    pub(crate) total: f64,
    /// L_T: what the end of the chain still knows about the image.
    pub(crate) prior: f64,
    /// L_0: the decoder's share.
    pub(crate) decoder: f64,
    /// T.
    pub(crate) timesteps: usize,
    /// All terms of each image, in hash order.
    pub(crate) images: Vec<f64>,
}

impl Evaluator<'_> {
    /// Adds up the bound, mean over the images; `report` is told how many network evaluations are done.
    pub(super) fn chain_bits(&self, network: &UNet, report: &mut dyn FnMut(u64)) -> ChainBits {
        let network = network.valid();
        let bound = Bound::new(self.asker.schedule);
        let (images, timesteps) = (self.images.len(), self.asker.schedule.len());
        let mean = |terms: &[f64]| terms.iter().sum::<f64>() / images as f64;
        let mut of_images: Vec<f64> =
            (0..images).map(|image| bound.prior(&wide(&self.clean(image).0))).collect();
        let prior = mean(&of_images);
        let steps: Vec<f64> = (0..timesteps)
            .map(|t| {
                let terms = self.step(&network, &bound, t);
                of_images.iter_mut().zip(&terms).for_each(|(sum, term)| *sum += term);
                report((t + 1) as u64 * images as u64);
                mean(&terms)
            })
            .collect();
        ChainBits {
            total: prior + steps.iter().sum::<f64>(),
            prior,
            decoder: steps[0],
            timesteps,
            images: of_images,
        }
    }

    fn step(&self, network: &UNet, bound: &Bound, t: usize) -> Vec<f64> {
        let questions = (0..self.images.len()).map(|image| {
            let (clean, id) = self.clean(image);
            let mut noise = vec![0.0; clean.len()];
            chain_noise(id, t as u64, &mut noise);
            Question { clean, noise, t }
        });
        let (kind, alpha_bar) = (self.diffusion.prediction_type, self.asker.schedule.alpha_bars[t]);
        self.asker.ask(network, questions, |question, noised, output| {
            let values = noised.iter().zip(output);
            let predicted: Vec<f64> = values
                .map(|(xt, output)| read(kind, f64::from(*output), f64::from(*xt), alpha_bar).x0)
                .collect();
            bound.step(t, &wide(&question.clean), &wide(noised), &predicted)
        })
    }
}

fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().copied().map(f64::from).collect()
}
