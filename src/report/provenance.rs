//! Which code and which data a run's numbers come from.
//!
//! In: a run's `provenance.json`. Out: [`Origin`], empty where there is no record yet.

use std::collections::BTreeSet;

use crate::rundir::provenance::Provenance;
use crate::rundir::{RunDir, RunDirError};

/// What a comparison has to know of a run's attempts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Origin {
    /// Code revisions, with `+changes` where the working tree had uncommitted ones.
    pub(crate) revisions: BTreeSet<String>,
    /// Fingerprint of the images and their split.
    pub(crate) data: Option<String>,
}

/// Reads the record of every attempt.
pub(super) fn origin(run: &RunDir) -> Result<Origin, RunDirError> {
    let attempts = Provenance::read(run)?.attempts;
    let data = attempts.last().map(|attempt| attempt.data_fingerprint.clone());
    let revisions = attempts.into_iter().map(|attempt| {
        let changes = if attempt.code_dirty { "+changes" } else { "" };
        attempt.code_revision + changes
    });
    Ok(Origin { revisions: revisions.collect(), data })
}
