//! Held-out evaluation: the denoising curve and the objective's own loss, on the same images, timesteps and
//! noise for every variant, seed and step.
//!
//! `ask` puts noised images to a network, `levels` is the measured curve, `chain` adds up the bound of the whole chain,
//! `request` evaluates a checkpoint when a user asks; `gallery` holds images that it draws against real ones, as `drawn`
//! asks.

mod ask;
mod chain;
mod drawn;
mod gallery;
mod levels;
mod request;

use burn::module::Module;
use burn::tensor::Device;

use crate::config::{self, Config, Diffusion, Metric};
use crate::data::{Draw, Resident, eval_noise};
use crate::diffusion::Schedule;
use crate::diffusion::curve::{self, Node, Scores};
use crate::diffusion::objective::{element_loss, weight};
use crate::diffusion::prediction::{read, target};
use crate::model::UNet;

use ask::{Asker, Question};
use chain::ChainBits;
pub(crate) use drawn::{DrawnRequest, DrawnScores, ExtractorFile, LEAST_FOR_RECALL, Origin, Stage, Wanted};
pub(crate) use gallery::Gallery;
pub use levels::Level;
use levels::Levels;
pub(crate) use request::{Evaluated, HeldOut};

/// One evaluation of one set of weights.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// Mean loss of the training objective.
    pub loss: Option<f64>,
    /// The curve, reduced, as far as was asked.
    pub scores: Scores,
    /// The curve itself; empty where nobody asked for one.
    pub levels: Vec<Level>,
    /// One per image used, in hash order; the mean of each number over them is the evaluation's.
    pub images: Vec<Share>,
}

impl Evaluation {
    /// The number that decides which checkpoint is best: the curve's where there is one, else the loss.
    pub(super) fn ranking(&self) -> Option<(Metric, f64)> {
        let Scores { denoise_score, denoise_bits } = self.scores;
        let candidates = [
            (Metric::DenoiseScore, denoise_score),
            (Metric::DenoiseBits, denoise_bits),
            (Metric::Loss, self.loss),
        ];
        candidates.into_iter().find_map(|(metric, value)| Some((metric, value?)))
    }

    /// Whether every number that was measured is one.
    pub(super) fn is_finite(&self) -> bool {
        let measured = self.levels.iter().flat_map(|level| [level.eps_mse, level.x0_mse, level.se]);
        measured.chain(self.loss).all(f64::is_finite)
    }
}

/// What one image has in the numbers of an [`Evaluation`]: the mean over its images is the number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Share {
    /// Of the image, by its content and place.
    pub id: u64,
    /// Images of one part were measured at the same nodes.
    pub part: usize,
    /// At the image's own timestep.
    pub loss: Option<f64>,
    /// Over the nodes that it was measured at.
    pub scores: Scores,
}

/// The fixed questions that every network is asked.
pub(super) struct Evaluator<'a> {
    /// In hash order.
    images: &'a Resident,
    asker: Asker<'a>,
    diffusion: Diffusion,
    /// What is asked for.
    metrics: Vec<Metric>,
    nodes: Vec<Node>,
    /// An image is measured at every so many nodes.
    stride: usize,
}

/// Errors of one answer, means over its elements.
#[derive(Clone, Copy)]
struct Answer {
    eps: f64,
    x0: f64,
    loss: f64,
}

impl<'a> Evaluator<'a> {
    /// Prepares the questions; `batch` is how many are asked at once.
    pub(super) fn new(
        config: &Config,
        schedule: &'a Schedule,
        images: &'a Resident,
        batch: usize,
        device: &Device,
    ) -> Self {
        Self {
            images,
            asker: Asker::new(config, schedule, batch, device),
            diffusion: config.diffusion.clone(),
            metrics: config.evaluation.metrics.clone(),
            nodes: curve::nodes(schedule),
            stride: config::Evaluation::STRIDE,
        }
    }

    /// Measures every image at every node.
    pub(super) fn in_full(self) -> Self {
        Self { stride: 1, ..self }
    }

    /// Measures a network; dropout is off and nothing is recorded for gradients.
    pub(super) fn evaluate(&self, network: &UNet) -> Evaluation {
        let network = network.valid();
        let asked = |metric: Metric| self.metrics.contains(&metric);
        let (score, bits) = (asked(Metric::DenoiseScore), asked(Metric::DenoiseBits));
        let levels = if score || bits { self.levels(&network) } else { Levels::default() };
        let only_asked = |scores: Scores| Scores {
            denoise_score: scores.denoise_score.filter(|_| score),
            denoise_bits: scores.denoise_bits.filter(|_| bits),
        };
        let losses = asked(Metric::Loss).then(|| self.objective_losses(&network));
        let shares = levels.shares(self.images.len()).into_iter().enumerate();
        Evaluation {
            loss: losses.as_ref().map(|losses| losses.iter().sum::<f64>() / losses.len() as f64),
            scores: only_asked(levels.scores()),
            images: shares
                .map(|(image, scores)| Share {
                    id: self.images.image_id(image),
                    part: image % self.stride,
                    loss: losses.as_ref().map(|losses| losses[image]),
                    scores: only_asked(scores),
                })
                .collect(),
            levels: levels.levels,
        }
    }

    /// The held-out denoising curve.
    fn levels(&self, network: &UNet) -> Levels {
        let pairs = (0..self.nodes.len())
            .flat_map(|node| self.images_at(node).map(move |image| self.at_node(node, image)));
        let mut answers = self.answers(network, pairs).into_iter();
        let mut levels = Levels::default();
        for (node, at) in self.nodes.iter().enumerate() {
            let here = self.images_at(node).zip(answers.by_ref());
            levels.push(*at, &here.collect::<Vec<_>>());
        }
        levels
    }

    fn images_at(&self, node: usize) -> impl Iterator<Item = usize> + use<> {
        let residue = self.nodes[node].k.rem_euclid(self.stride as i64) as usize;
        (residue..self.images.len()).step_by(self.stride)
    }

    /// The training loss of each image at its own drawn timestep.
    fn objective_losses(&self, network: &UNet) -> Vec<f64> {
        let questions = (0..self.images.len()).map(|image| {
            let (clean, id) = self.clean(image);
            let mut draw = Draw::new(id, "eval/loss", 0);
            let t = (draw.uniform() * self.asker.schedule.len() as f64) as usize;
            let mut noise = vec![0.0; clean.len()];
            draw.normal_fill(&mut noise);
            Question { clean, noise, t }
        });
        self.answers(network, questions).iter().map(|answer| answer.loss).collect()
    }

    fn at_node(&self, node: usize, image: usize) -> Question {
        let (clean, id) = self.clean(image);
        let mut noise = vec![0.0; clean.len()];
        let Node { k, t, .. } = self.nodes[node];
        // The outermost nodes are numbered −1 and 33; as u64 each k is still a number of its own.
        eval_noise(id, k as u64, &mut noise);
        Question { clean, noise, t }
    }

    fn clean(&self, image: usize) -> (Vec<f32>, u64) {
        let bytes = self.images.image(image);
        (bytes.iter().map(|byte| f32::from(*byte) / 127.5 - 1.0).collect(), self.images.image_id(image))
    }

    /// Compares in f64.
    fn answers(&self, network: &UNet, questions: impl Iterator<Item = Question>) -> Vec<Answer> {
        let kind = self.diffusion.prediction_type;
        self.asker.ask(network, questions, |question, noised, predicted| {
            let alpha_bar = self.asker.schedule.alpha_bars[question.t];
            let weight = weight(&self.diffusion, self.asker.schedule.snr(question.t));
            let mut sum = Answer { eps: 0.0, x0: 0.0, loss: 0.0 };
            for (i, (xt, output)) in noised.iter().zip(predicted).enumerate() {
                let (x0, eps) = (f64::from(question.clean[i]), f64::from(question.noise[i]));
                let reading = read(kind, f64::from(*output), f64::from(*xt), alpha_bar);
                let error = f64::from(*output) - target(kind, x0, eps, alpha_bar);
                sum.eps += (reading.eps - eps).powi(2);
                sum.x0 += (reading.x0 - x0).powi(2);
                sum.loss += weight * element_loss(&self.diffusion, error);
            }
            let elements = noised.len() as f64;
            Answer { eps: sum.eps / elements, x0: sum.x0 / elements, loss: sum.loss / elements }
        })
    }
}
