//! Ten steps of training are PyTorch's: the same weights, pictures, noise and timesteps give the same losses.
//!
//! `scripts/peers/diffusers/training.py` wrote the file, whose pictures, first weights and settings are trained from here.

use std::fs;
use std::path::Path;

use serde::Deserialize;

use crate::support::Workplace;
use crate::support::tensors::TensorFile;
use crate::support::training::{Run, only_run};

/// Of losses and gradient norms, relative.
const TOLERANCE: f64 = 1e-4;
/// Of decays and learning rates, which are plain arithmetic.
const EXACT: f64 = 1e-12;
/// Of an average, relative to how far it moved, norm against norm. Adam divides by the size of a gradient: where a
/// gradient is next to nothing, its rounding moves a weight as far as a gradient would.
const AVERAGE: f64 = 1e-2;

/// One training: how we are told of it, and what PyTorch had.
#[derive(Deserialize)]
struct Trial {
    experiment: String,
    rows: Vec<Row>,
}

/// A row of `metrics.csv`; a quarter that no image fell into is absent.
#[derive(Deserialize)]
struct Row {
    loss: f64,
    loss_q1: Option<f64>,
    loss_q2: Option<f64>,
    loss_q3: Option<f64>,
    loss_q4: Option<f64>,
    grad_norm: f64,
    learning_rate: f64,
    ema_decay: f64,
}

impl Row {
    /// The cell of a column, NaN where it is empty, and how far another may be from it.
    fn cell(&self, column: &str) -> (f64, f64) {
        match column {
            "loss" => (self.loss, TOLERANCE),
            "loss_q1" => (self.loss_q1.unwrap_or(f64::NAN), TOLERANCE),
            "loss_q2" => (self.loss_q2.unwrap_or(f64::NAN), TOLERANCE),
            "loss_q3" => (self.loss_q3.unwrap_or(f64::NAN), TOLERANCE),
            "loss_q4" => (self.loss_q4.unwrap_or(f64::NAN), TOLERANCE),
            "grad_norm" => (self.grad_norm, TOLERANCE),
            "learning_rate" => (self.learning_rate, EXACT),
            "ema_decay" => (self.ema_decay, EXACT),
            other => panic!("PyTorch has no {other}"),
        }
    }
}

fn assert_rows_agree(name: &str, run: &Run, rows: &[Row]) {
    let columns =
        ["loss", "loss_q1", "loss_q2", "loss_q3", "loss_q4", "grad_norm", "learning_rate", "ema_decay"];
    for column in columns {
        let ours = run.column("metrics.csv", column);
        assert_eq!(ours.len(), rows.len(), "{name}");
        for (step, (found, row)) in ours.into_iter().zip(rows).enumerate() {
            let (expected, tolerance) = row.cell(column);
            let close = (found - expected).abs() <= tolerance * expected.abs();
            let both_empty = found.is_nan() && expected.is_nan();
            assert!(
                close || both_empty,
                "{name}, step {}: {column} is {found}, PyTorch has {expected}",
                step + 1
            );
        }
    }
}

/// Holds the first average after the last step to PyTorch's, tensor by tensor.
fn assert_average_agrees(name: &str, run: &Run, file: &TensorFile) {
    let ours = TensorFile::read(&run.path.join("checkpoints/step-00000010/ema.safetensors"));
    let theirs = file.values(&format!("average/{name}"));
    let mut rest = theirs.as_slice();
    for tensor in file.under("weights/") {
        let (before, found) = (file.values(&format!("weights/{tensor}")), ours.values(tensor));
        let (expected, after) = rest.split_at(before.len());
        rest = after;
        // The softmax does not see a bias of all keys: its gradient is rounding alone.
        if tensor.ends_with("to_k.bias") {
            continue;
        }
        let (moved, off) = (distance(expected, &before), distance(&found, expected));
        // An average of a decay near 1 moves by little more than its own rounding, once a step.
        let rounding = 10.0 * 2_f64.powi(-24) * distance(expected, &vec![0.0; expected.len()]);
        assert!(
            off <= AVERAGE * moved + rounding,
            "{name}: the average of {tensor} is off by {off} of {moved}"
        );
    }
    assert!(rest.is_empty());
}

fn distance(a: &[f32], b: &[f32]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>().sqrt()
}

#[test]
fn the_first_ten_steps_of_training_are_those_of_pytorch() {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/diffusers/training/ten_steps.safetensors");
    let file = TensorFile::read(&path);
    for (name, text) in file.texts() {
        let trial: Trial = serde_json::from_str(text).unwrap();
        assert_eq!(trial.rows.len(), 10, "{name}");
        let place = Workplace::with("x.toml", &trial.experiment);
        fs::write(place.path("weights.safetensors"), file.part("weights/")).unwrap();
        for picture in file.under("pictures/") {
            place.write(&format!("pictures/{picture}"), file.bytes(&format!("pictures/{picture}")));
        }
        place.ablate(&["run", "x.toml", "--quiet"]).exits(0);
        let run = only_run(&place);
        assert_rows_agree(name, &run, &trial.rows);
        assert_average_agrees(name, &run, &file);
    }
    assert_eq!(file.texts().len(), 3);
}
