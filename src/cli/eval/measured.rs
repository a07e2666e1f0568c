//! What was measured of one set of weights: as rows of the run's files, for a table, as JSON.

use serde_json::{Value, json};

use crate::rundir::{Cell, EvalRows};
use crate::train::{Evaluated, eval_cells, image_cells, level_cells};

/// One evaluation and whose it is.
pub(super) struct Measured {
    pub(super) step: u64,
    /// As logs name them.
    pub(super) weights: String,
    pub(super) found: Evaluated,
}

impl Measured {
    /// As the run's folder keeps them.
    pub(super) fn rows(&self) -> EvalRows<'_> {
        let Evaluated { evaluation, chain } = &self.found;
        let mut scores = eval_cells(self.step, &self.weights, evaluation).to_vec();
        let chain = chain.as_ref();
        scores.extend([
            Cell::from(chain.map(|chain| chain.total)),
            Cell::from(chain.map(|chain| chain.prior)),
            Cell::from(chain.map(|chain| chain.decoder)),
            Cell::from(chain.map(|chain| chain.timesteps as u64)),
        ]);
        let levels = evaluation.levels.iter();
        let images = evaluation.images.iter().enumerate().map(|(at, image)| {
            let bits = chain.map(|chain| chain.images[at]);
            [image_cells(self.step, &self.weights, image).as_slice(), &[bits.into()]].concat()
        });
        EvalRows {
            scores,
            levels: levels.map(|level| level_cells(self.step, &self.weights, level).to_vec()).collect(),
            images: images.collect(),
        }
    }

    /// Names and values of what was measured.
    pub(super) fn values(&self) -> Vec<(&'static str, f64)> {
        let Evaluated { evaluation, chain } = &self.found;
        let scores = evaluation.scores;
        let found = [
            ("loss", evaluation.loss),
            ("denoise_score", scores.denoise_score),
            ("denoise_bits", scores.denoise_bits),
            ("bits_per_dim", chain.as_ref().map(|chain| chain.total)),
            ("prior_bits", chain.as_ref().map(|chain| chain.prior)),
            ("decoder_bits", chain.as_ref().map(|chain| chain.decoder)),
        ];
        found.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }

    /// What a table of them cannot say by itself.
    pub(super) fn note(all: &[Measured]) -> Option<String> {
        let chain = all.iter().find_map(|measured| measured.found.chain.as_ref())?;
        Some(format!(
            "bits_per_dim is that of the chain of {} timesteps; --metrics denoise_score ranks networks\n",
            chain.timesteps
        ))
    }

    /// One object for programs.
    pub(super) fn json(&self) -> Value {
        let mut row = json!({"step": self.step, "weights": self.weights});
        for (name, value) in self.values() {
            row[name] = json!(value);
        }
        if let Some(chain) = &self.found.chain {
            row["timesteps"] = json!(chain.timesteps);
        }
        row
    }
}
