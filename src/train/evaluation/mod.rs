//! Held-out evaluation: the denoising curve and the objective's own loss, on the same images, timesteps and
//! noise for every variant, seed and step.
//!
//! `ask` puts noised images to a network, `chain` adds up the bound of the whole chain, `request` evaluates a
//! checkpoint when a user asks, `gallery` holds images that it draws against real ones,
//! as `drawn` asks.

mod ask;
mod chain;
mod drawn;
mod gallery;
mod request;

use burn::module::Module;
use burn::tensor::Device;

use crate::config::{Config, Diffusion, Metric};
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
pub(crate) use request::{Evaluated, HeldOut};

/// During training an image is measured at every fourth node, so that all nodes are covered at a quarter of
/// the cost.
const STRIDE: usize = 4;

/// One evaluation of one set of weights.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// Mean loss of the training objective.
    pub loss: Option<f64>,
    /// The curve, reduced, as far as was asked.
    pub scores: Scores,
    /// The curve itself; empty where nobody asked for one.
    pub levels: Vec<Level>,
    /// Images used.
    pub images: usize,
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

/// One measured node of the curve.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Level {
    /// Where it is.
    pub node: Node,
    /// Mean over images of the mean squared error of ε̂.
    pub eps_mse: f64,
    /// The same of x̂0.
    pub x0_mse: f64,
    /// Images measured here.
    pub n: usize,
    /// Standard error of `eps_mse` over images.
    pub se: f64,
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
            stride: STRIDE,
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
        let levels = if score || bits { self.curve(&network) } else { vec![] };
        let points: Vec<(f64, f64)> =
            levels.iter().map(|level| (level.node.log_snr, level.eps_mse)).collect();
        let scores = curve::scores(&points);
        Evaluation {
            loss: asked(Metric::Loss).then(|| self.objective_loss(&network)),
            scores: Scores {
                denoise_score: scores.denoise_score.filter(|_| score),
                denoise_bits: scores.denoise_bits.filter(|_| bits),
            },
            levels,
            images: self.images.len(),
        }
    }

    /// The held-out denoising curve.
    fn curve(&self, network: &UNet) -> Vec<Level> {
        let pairs: Vec<(usize, usize)> = (0..self.nodes.len())
            .flat_map(|node| self.images_at(node).map(move |image| (node, image)))
            .collect();
        let questions = pairs.iter().map(|(node, image)| self.at_node(*node, *image));
        let answers = self.answers(network, questions);
        (0..self.nodes.len())
            .filter_map(|node| {
                let here = pairs.iter().zip(&answers).filter(|(pair, _)| pair.0 == node);
                level(self.nodes[node], here.map(|(_, answer)| *answer).collect())
            })
            .collect()
    }

    fn images_at(&self, node: usize) -> impl Iterator<Item = usize> {
        let residue = self.nodes[node].k.rem_euclid(self.stride as i64) as usize;
        (residue..self.images.len()).step_by(self.stride)
    }

    /// The training loss, each image at its own drawn timestep.
    fn objective_loss(&self, network: &UNet) -> f64 {
        let questions = (0..self.images.len()).map(|image| {
            let (clean, id) = self.clean(image);
            let mut draw = Draw::new(id, "eval/loss", 0);
            let t = (draw.uniform() * self.asker.schedule.len() as f64) as usize;
            let mut noise = vec![0.0; clean.len()];
            draw.normal_fill(&mut noise);
            Question { clean, noise, t }
        });
        let answers = self.answers(network, questions);
        answers.iter().map(|answer| answer.loss).sum::<f64>() / answers.len() as f64
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

/// Mean and standard error at a node; `None` where too few images leave it unmeasured.
fn level(node: Node, answers: Vec<Answer>) -> Option<Level> {
    let n = answers.len();
    if n == 0 {
        return None;
    }
    let mean = |of: fn(&Answer) -> f64| answers.iter().map(of).sum::<f64>() / n as f64;
    let eps_mse = mean(|answer| answer.eps);
    let squares: f64 = answers.iter().map(|answer| (answer.eps - eps_mse).powi(2)).sum();
    let se = if n > 1 { (squares / (n - 1) as f64 / n as f64).sqrt() } else { 0.0 };
    Some(Level { node, eps_mse, x0_mse: mean(|answer| answer.x0), n, se })
}
