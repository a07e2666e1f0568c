//! A checkpoint evaluated when a user asks: any split, more images, every node of the curve.

use std::path::Path;

use burn::tensor::Device;

use super::{ChainBits, Evaluation, Evaluator};
use crate::config::Config;
use crate::data::{Resident, Split};
use crate::diffusion::Schedule;
use crate::ops;
use crate::train::{Error, Execution, Prepared, state};

/// The images and the way of asking, shared by all weights that are evaluated.
pub(crate) struct HeldOut<'a> {
    config: &'a Config,
    images: Resident,
    schedule: Schedule,
    batch: usize,
    device: Device,
}

/// What was found.
pub(crate) struct Evaluated {
    /// The curve and what it is reduced to.
    pub(crate) evaluation: Evaluation,
    /// The bound of the chain, where it was asked for.
    pub(crate) chain: Option<ChainBits>,
}

impl<'a> HeldOut<'a> {
    /// Takes the first `evaluation.images` of a split; what is measured is `evaluation.metrics`.
    pub(crate) fn open(
        config: &'a Config,
        execution: &Execution,
        on: &Prepared,
        split: &Split,
    ) -> Result<Self, Error> {
        ops::set_threads(execution.threads);
        ops::set_deterministic(on.device_name, execution.deterministic);
        Ok(Self {
            images: Resident::new(split.clone(), config.evaluation.images)?,
            schedule: Schedule::new(&config.diffusion)?,
            batch: execution.evaluation_batch,
            device: on.device.clone(),
            config,
        })
    }

    /// How many images there are.
    pub(crate) fn images(&self) -> usize {
        self.images.len()
    }

    /// Evaluates the weights in one file of a checkpoint's folder.
    pub(crate) fn evaluate(
        &self,
        (checkpoint, step): (&Path, u64),
        weights: &str,
        chain: Option<&mut dyn FnMut(u64)>,
    ) -> Result<Evaluated, Error> {
        let network = state::load_network(self.config, &self.device, checkpoint, weights)?;
        let Self { config, images, schedule, batch, device } = self;
        let evaluator = Evaluator::new(config, schedule, images, *batch, device).in_full();
        let evaluation = evaluator.evaluate(&network);
        let chain = chain.map(|report| evaluator.chain_bits(&network, report));
        if !evaluation.is_finite() || chain.as_ref().is_some_and(|chain| !chain.total.is_finite()) {
            let what = format!("the evaluation of {weights}");
            return Err(Error::Diverged { step, what, tensor: None });
        }
        Ok(Evaluated { evaluation, chain })
    }
}
