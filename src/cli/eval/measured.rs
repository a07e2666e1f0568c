//! What was measured of one set of weights: as rows of the run's files, as a table, as JSON.

use std::path::Path;

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use serde_json::{Value, json};

use crate::guard::escape_json;
use crate::report::format::number;
use crate::rundir::{Cell, EVALS_HEADER, EvalRows, EvalSettings};
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
    fn values(&self) -> Vec<(&'static str, f64)> {
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

    /// One row a set of weights; what has no value in any is left out.
    pub(super) fn table(all: &[Measured]) -> String {
        let has =
            |name: &str| all.iter().any(|measured| measured.values().iter().any(|(other, _)| *other == name));
        let columns: Vec<&str> = EVALS_HEADER.iter().copied().filter(|name| has(name)).collect();
        let mut table = Table::new();
        table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
        table.set_header(std::iter::once("weights").chain(columns.iter().copied()));
        for measured in all {
            let values = measured.values();
            let cell =
                |name: &&str| values.iter().find(|(other, _)| other == name).map(|(_, value)| number(*value));
            let cells = columns.iter().map(|name| cell(name).unwrap_or_else(|| "-".to_owned()));
            table.add_row(std::iter::once(measured.weights.clone()).chain(cells));
        }
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        let mut text: String = table.lines().map(|line| format!("{}\n", line.trim_end())).collect();
        if let Some(chain) = all.iter().find_map(|measured| measured.found.chain.as_ref()) {
            text.push_str(&format!(
                "bits_per_dim is that of the chain of {} timesteps; --metrics denoise_score ranks networks\n",
                chain.timesteps
            ));
        }
        text
    }

    /// One object for programs.
    pub(super) fn json(all: &[Measured], settings: &EvalSettings, path: &Path) -> String {
        let row = |measured: &Measured| -> Value {
            let mut row = json!({"step": measured.step, "weights": measured.weights});
            for (name, value) in measured.values() {
                row[name] = json!(value);
            }
            if let Some(chain) = &measured.found.chain {
                row["timesteps"] = json!(chain.timesteps);
            }
            row
        };
        let rows: Vec<Value> = all.iter().map(row).collect();
        let document = json!({
            "split": settings.split,
            "images": settings.images,
            "fingerprint": settings.fingerprint(),
            "path": path,
            "rows": rows,
        });
        escape_json(&format!("{document:#}\n"))
    }
}
