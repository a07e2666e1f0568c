//! What a calibration and its measuring processes say to each other: one line of JSON each.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::train::bench::{Saving, Times};

/// Name of the hidden command that measures.
pub(super) const COMMAND: &str = "calibrate-worker";

/// The first line of a process, once its device is open.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Hello {
    /// The device that `auto` became.
    pub(super) device: String,
}

/// Something to measure.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Task {
    /// Steps and forward passes.
    Times {
        config: Box<Config>,
        /// Images of a forward pass.
        images: usize,
        /// About how long.
        seconds: f64,
    },
    /// A checkpoint.
    Save {
        config: Box<Config>,
        /// A run folder that whoever asks deletes.
        folder: PathBuf,
    },
}

/// What was measured.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Answer {
    /// To [`Task::Times`].
    Times(Times),
    /// To [`Task::Save`].
    Saved(Saving),
}
