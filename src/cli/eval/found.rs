//! What was found of drawn images: names and values, and the rows of the run's files.

use std::path::PathBuf;

use crate::rundir::{Cell, DrawnRows, EvalSettings};
use crate::train::DrawnScores;

/// One set of weights, measured.
pub(super) struct Found {
    /// As logs name them.
    pub(super) weights: String,
    pub(super) scores: DrawnScores,
}

/// What was found, and the files that have it.
pub(super) struct Evaluated {
    pub(super) real: usize,
    pub(super) drawn: usize,
    pub(super) all: Vec<Found>,
    /// Per file the settings behind it.
    pub(super) written: Vec<(EvalSettings, PathBuf)>,
}

impl Found {
    /// Names and values, as columns name them.
    pub(super) fn values(&self) -> Vec<(&'static str, f64)> {
        let DrawnScores { fid, kid, precision, recall, swd } = &self.scores;
        let all = [
            ("fid", *fid),
            ("kid", kid.map(|kid| kid.mean)),
            ("kid_std", kid.and_then(|kid| kid.std)),
            ("precision", *precision),
            ("recall", *recall),
            ("swd", swd.as_ref().map(|swd| swd.mean)),
        ];
        all.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }

    /// `swd` of each band by its side.
    pub(super) fn bands(&self) -> &[(usize, f64)] {
        self.scores.swd.as_ref().map_or(&[], |swd| &swd.bands)
    }

    /// What belongs into the file of the pixels, or into that of the features.
    pub(super) fn rows(&self, step: u64, (real, drawn): (usize, usize), pixels: bool) -> DrawnRows<'_> {
        let values = self.values();
        let cell = |name: &str| {
            let found = values.iter().find(|(other, _)| *other == name && (name == "swd") == pixels);
            Cell::from(found.map(|(_, value)| *value))
        };
        let mut scores =
            vec![step.into(), self.weights.as_str().into(), (real as u64).into(), (drawn as u64).into()];
        scores.extend(["fid", "kid", "kid_std", "precision", "recall", "swd"].map(cell));
        let band = |(side, swd): &(usize, f64)| {
            vec![step.into(), self.weights.as_str().into(), (*side as u64).into(), Cell::Float(*swd)]
        };
        let bands = if pixels { self.bands().iter().map(band).collect() } else { vec![] };
        DrawnRows { scores, bands }
    }
}
