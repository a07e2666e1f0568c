//! Running a sampler batch by batch.
//!
//! In: a network, settings, a seed or the noise to start from. Out: images near [-1, 1], in order. The noise of image
//! i depends on (seed, i) and the step alone, whatever the batch.

use std::ops::Range;

use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};

use super::image_shape;
use crate::config::{Config, Sampling};
use crate::data::sample_noise;
use crate::diffusion::Schedule;
use crate::diffusion::sampler::{Chain, Network};
use crate::model::{Mode, UNet};
use crate::train::Error;

/// What is to be drawn.
pub(in crate::train) struct Drawing<'a> {
    pub(in crate::train) config: &'a Config,
    pub(in crate::train) settings: &'a Sampling,
    pub(in crate::train) schedule: &'a Schedule,
    /// Number of images.
    pub(in crate::train) n: usize,
    pub(in crate::train) seed: u64,
    /// Images per forward pass.
    pub(in crate::train) batch: usize,
    /// Standard normal noise to start from, n·C·H·W numbers, instead of the seed's.
    pub(in crate::train) first: Option<&'a [f32]>,
    pub(in crate::train) device: &'a Device,
}

impl Drawing<'_> {
    /// C, H, W of an image.
    pub(in crate::train) fn shape(&self) -> [usize; 3] {
        image_shape(self.config)
    }

    /// Draws with a network, its dropout off. `report` is told the network evaluations so far, counted image by image;
    /// `take` is given each batch's values.
    pub(in crate::train) fn draw(
        &self,
        network: &UNet,
        report: &mut dyn FnMut(u64),
        take: &mut dyn FnMut(Vec<f32>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let network = network.valid();
        let mut asked = 0;
        self.run(
            &mut |x, t| {
                let images = x.dims()[0];
                let t = Tensor::full([images], t as f32, self.device);
                let predicted = network.forward(x, t, Mode::Eval);
                asked += images as u64;
                report(asked);
                predicted
            },
            take,
        )
    }

    /// Runs the chain (a host–device sync each batch).
    fn run(
        &self,
        network: &mut Network<'_>,
        take: &mut dyn FnMut(Vec<f32>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let prediction = self.config.diffusion.prediction_type;
        let chain = Chain { schedule: self.schedule, prediction, settings: self.settings };
        let batch = self.batch.max(1);
        for first in (0..self.n).step_by(batch) {
            let images = first..self.n.min(first + batch);
            let x = self.first_noise(images.clone());
            let x = chain.sample(x, network, &mut |step| self.noise(images.clone(), step as u64 + 1));
            take(x.into_data().try_into_vec().expect("samples are 32-bit floats"))?;
        }
        Ok(())
    }

    fn first_noise(&self, images: Range<usize>) -> Tensor<4> {
        match self.first {
            None => self.noise(images, 0),
            Some(given) => {
                let each = self.shape().iter().product::<usize>();
                self.tensor(images.len(), given[images.start * each..images.end * each].to_vec())
            }
        }
    }

    /// Draw 0 is the start of the chain, draw i+1 the fresh noise of step i.
    fn noise(&self, images: Range<usize>, draw: u64) -> Tensor<4> {
        let each = self.shape().iter().product::<usize>();
        let count = images.len();
        let mut values = vec![0.0; count * each];
        for (image, values) in images.zip(values.chunks_mut(each)) {
            sample_noise(self.seed, image as u64, draw, values);
        }
        self.tensor(count, values)
    }

    fn tensor(&self, count: usize, values: Vec<f32>) -> Tensor<4> {
        let [c, h, w] = self.shape();
        Tensor::from_data(TensorData::new(values, [count, c, h, w]), self.device)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{PredictionType, Sampler, TimestepSpacing};
    use crate::train::small::small;
    use crate::train::state;

    const SAMPLERS: [Sampler; 5] =
        [Sampler::Ddim, Sampler::Ddpm, Sampler::DpmSolverPp, Sampler::Euler, Sampler::Heun];

    fn device() -> Device {
        crate::train::open_device(crate::config::Device::Cpu).unwrap().1
    }

    /// Everything about a drawing but its number of images, its batch and its first noise.
    struct Scene {
        config: Config,
        schedule: Schedule,
        settings: Sampling,
        device: Device,
    }

    impl Scene {
        fn new(sampler: Sampler) -> Self {
            let mut config = small();
            config.diffusion.prediction_type = PredictionType::V;
            let eta = if sampler == Sampler::Ddim { 1.0 } else { 0.0 };
            let timestep_spacing = TimestepSpacing::Linspace;
            let settings = Sampling { sampler, timestep_spacing, steps: 6, eta, ..config.sampling.clone() };
            let schedule = Schedule::new(&config.diffusion).unwrap();
            Self { config, schedule, settings, device: device() }
        }

        fn drawing<'a>(&'a self, n: usize, batch: usize, first: Option<&'a [f32]>) -> Drawing<'a> {
            let Self { config, schedule, settings, device } = self;
            Drawing { config, settings, schedule, n, seed: 7, batch, first, device }
        }

        fn network(&self) -> UNet {
            state::initial_network(&self.config, &self.device)
        }
    }

    fn drawn(drawing: &Drawing<'_>, network: &UNet) -> Vec<f32> {
        let mut all = vec![];
        drawing
            .draw(network, &mut |_| {}, &mut |values| {
                all.extend(values);
                Ok(())
            })
            .unwrap();
        all
    }

    fn values(x: Tensor<4>) -> Vec<f32> {
        x.into_data().try_into_vec().unwrap()
    }

    #[test]
    fn the_noise_of_an_image_is_bit_equal_in_any_batch() {
        let scene = Scene::new(Sampler::Ddpm);
        let drawing = scene.drawing(5, 5, None);
        let batch = |range: Range<usize>| values(drawing.noise(range, 3));
        let all = batch(0..5);
        assert_eq!([batch(0..2), batch(2..3), batch(3..5)].concat(), all);
        let each = all.len() / 5;
        let mut images: Vec<&[f32]> = all.chunks(each).collect();
        images.sort_by(|a, b| a.partial_cmp(b).unwrap());
        images.dedup();
        assert_eq!(images.len(), 5);
    }

    #[test]
    fn an_image_of_a_network_is_the_same_in_any_batch_whatever_the_sampler() {
        for sampler in SAMPLERS {
            let scene = Scene::new(sampler);
            let network = scene.network();
            let all = drawn(&scene.drawing(16, 16, None), &network);
            assert!(all.iter().all(|value| value.is_finite()) && all.iter().any(|value| *value != 0.0));
            for batch in [1, 3] {
                let other = drawn(&scene.drawing(16, batch, None), &network);
                let worst = all.iter().zip(&other).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
                println!("{sampler:?} in batches of {batch}: {worst:.1e}");
                assert!(worst <= 1e-4, "{sampler:?} in batches of {batch}: {worst}");
            }
        }
    }

    #[test]
    fn given_noise_takes_the_place_of_the_first_draw_alone() {
        let scene = Scene::new(Sampler::Ddpm);
        let network = scene.network();
        let own = values(scene.drawing(5, 5, None).noise(0..5, 0));
        let expected = drawn(&scene.drawing(5, 2, None), &network);
        assert_eq!(drawn(&scene.drawing(5, 2, Some(&own)), &network), expected);
        let other: Vec<f32> = own.iter().map(|value| -value).collect();
        assert_ne!(drawn(&scene.drawing(5, 2, Some(&other)), &network), expected);
    }

    #[test]
    fn every_evaluation_of_the_network_is_reported() {
        for sampler in SAMPLERS {
            let scene = Scene::new(sampler);
            let mut last = 0;
            let mut report = |asked| last = asked;
            scene.drawing(5, 2, None).draw(&scene.network(), &mut report, &mut |_| Ok(())).unwrap();
            assert_eq!(last, 5 * scene.settings.evaluations() as u64, "{sampler:?}");
        }
    }
}
