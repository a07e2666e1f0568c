//! Noised images put to a network, batch by batch.
//!
//! In: clean images, noise and timesteps. Out: whatever is made of the network's output for each.

use burn::tensor::{Device, Tensor, TensorData};

use crate::config::Config;
use crate::diffusion::Schedule;
use crate::model::{Mode, UNet};

/// One image at one timestep.
pub(super) struct Question {
    pub(super) clean: Vec<f32>,
    pub(super) noise: Vec<f32>,
    pub(super) t: usize,
}

/// How questions are put.
pub(super) struct Asker<'a> {
    pub(super) schedule: &'a Schedule,
    shape: [usize; 3],
    batch: usize,
    device: Device,
}

impl<'a> Asker<'a> {
    /// `batch` is how many are asked at once.
    pub(super) fn new(config: &Config, schedule: &'a Schedule, batch: usize, device: &Device) -> Self {
        let size = config.data.image_size;
        let shape = [config.data.in_channels, size, size];
        Self { schedule, shape, batch, device: device.clone() }
    }

    /// Judges each output; no more than one batch of images is held at a time.
    pub(super) fn ask<A>(
        &self,
        network: &UNet,
        mut questions: impl Iterator<Item = Question>,
        judge: impl Fn(&Question, &[f32], &[f32]) -> A,
    ) -> Vec<A> {
        let size = self.shape.iter().product();
        let mut answers = vec![];
        loop {
            let batch: Vec<Question> = questions.by_ref().take(self.batch).collect();
            if batch.is_empty() {
                return answers;
            }
            let noised = self.noised(&batch);
            let predicted = self.outputs(network, &batch, noised.clone());
            let pairs = noised.chunks(size).zip(predicted.chunks(size));
            answers
                .extend(batch.iter().zip(pairs).map(|(question, (xt, output))| judge(question, xt, output)));
        }
    }

    /// x_t, made in f64.
    fn noised(&self, questions: &[Question]) -> Vec<f32> {
        let noise = |question: &Question| {
            let alpha_bar = self.schedule.alpha_bars[question.t];
            let (signal, spread) = (alpha_bar.sqrt(), (1.0 - alpha_bar).sqrt());
            let values = question.clean.iter().zip(&question.noise);
            values
                .map(|(x0, eps)| (signal * f64::from(*x0) + spread * f64::from(*eps)) as f32)
                .collect::<Vec<_>>()
        };
        questions.iter().flat_map(noise).collect()
    }

    /// What the network says, in f32 (host–device sync).
    fn outputs(&self, network: &UNet, questions: &[Question], noised: Vec<f32>) -> Vec<f32> {
        let [c, h, w] = self.shape;
        let x = TensorData::new(noised, [questions.len(), c, h, w]);
        let t: Vec<f32> = questions.iter().map(|question| question.t as f32).collect();
        let t = Tensor::from_data(TensorData::new(t, [questions.len()]), &self.device);
        let predicted = network.forward(Tensor::from_data(x, &self.device), t, Mode::Eval);
        predicted.into_data().try_into_vec().expect("the network works in f32")
    }
}
