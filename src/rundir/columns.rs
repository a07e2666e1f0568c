//! The columns of every log, in one place. Renaming or adding one is a new format of the run tree.

use std::path::PathBuf;

use super::RunDir;

/// Columns of `metrics.csv`; q1 to q4 are the quartiles of t.
pub const METRICS_HEADER: &[&str] = &[
    "step",
    "epoch",
    "images",
    "loss",
    "loss_q1",
    "loss_q2",
    "loss_q3",
    "loss_q4",
    "grad_norm",
    "learning_rate",
    "ema_decay",
];
/// Columns of `timing.csv`; `seconds` leaves out evaluation and sampling.
pub const TIMING_HEADER: &[&str] =
    &["step", "seconds", "images_per_second", "data_wait_seconds", "peak_memory_bytes"];
/// Columns of `eval.csv`; `weights` is `raw` or `ema-<decay>`.
pub const EVAL_HEADER: &[&str] = &["step", "weights", "loss", "denoise_score", "denoise_bits", "images"];
/// Columns of `evals/<fingerprint>.csv`: those of `eval.csv`, then the bound of the chain with its L_T, L_0 and T.
pub const EVALS_HEADER: &[&str] = &[
    "step",
    "weights",
    "loss",
    "denoise_score",
    "denoise_bits",
    "images",
    "bits_per_dim",
    "prior_bits",
    "decoder_bits",
    "timesteps",
];
/// Columns of `levels.csv`: the held-out denoising curve, one row a noise level.
pub const LEVELS_HEADER: &[&str] = &["step", "weights", "k", "t", "log_snr", "eps_mse", "x0_mse", "n", "se"];

/// Columns of `images.csv`: what each held-out image has in the numbers of `eval.csv`. The mean over the images of a
/// step is the number there; images of one `part` were measured at the same noise levels.
pub const IMAGES_HEADER: &[&str] =
    &["step", "weights", "image", "part", "loss", "denoise_score", "denoise_bits"];
/// Columns of `evals/<fingerprint>.images.csv`: those of `images.csv`, then the bound of the chain.
pub const EVALS_IMAGES_HEADER: &[&str] =
    &["step", "weights", "image", "part", "loss", "denoise_score", "denoise_bits", "bits_per_dim"];

/// The logs whose marks a checkpoint keeps, by file name, with their headers.
pub fn logs_of(run: &RunDir) -> [(PathBuf, &'static [&'static str]); 5] {
    [
        (run.metrics_path(), METRICS_HEADER),
        (run.timing_path(), TIMING_HEADER),
        (run.eval_path(), EVAL_HEADER),
        (run.levels_path(), LEVELS_HEADER),
        (run.images_path(), IMAGES_HEADER),
    ]
}
