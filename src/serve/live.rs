//! What the run folders say, read again when it has become old.
//!
//! In: folders. Out: a [`Snapshot`] that all requests share. However many browsers ask, the folders are read by one
//! of them at a time, and no more of the time than a tenth.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::report::html::{Document, Report, Target, data_json};
use crate::rundir::{RunDir, RunDirError};

/// Answers within this time are the same.
const FRESH: Duration = Duration::from_secs(2);
/// Reading takes at most one part in so many.
const SHARE: u32 = 10;

/// The folders, and what was last read of them.
pub(crate) struct Live {
    folders: Vec<PathBuf>,
    last: Mutex<Option<Arc<Snapshot>>>,
}

/// One look at everything.
pub(super) struct Snapshot {
    taken: Instant,
    /// How long it took.
    cost: Duration,
    pub(super) document: Document,
    /// Changes whenever the document or a curve does.
    pub(super) revision: String,
    /// By variant: revision and JSON.
    curves: BTreeMap<String, (String, String)>,
    runs: BTreeMap<(String, u64), RunDir>,
}

/// The answer to "what changed": everything but curves and pictures.
#[derive(Serialize)]
struct Update<'a> {
    revision: &'a str,
    /// Revision of each variant's curves.
    curves: BTreeMap<&'a str, &'a str>,
    document: &'a Document,
}

impl Live {
    /// Nothing is read yet.
    pub(crate) fn new(folders: Vec<PathBuf>) -> Live {
        Live { folders, last: Mutex::new(None) }
    }

    /// What the folders say now, or said a moment ago.
    pub(super) fn snapshot(&self) -> Result<Arc<Snapshot>, RunDirError> {
        // A panic while reading left the older snapshot, which is as good as before.
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        match &*last {
            Some(snapshot) if snapshot.is_fresh() => Ok(snapshot.clone()),
            _ => {
                let snapshot = Arc::new(Snapshot::take(&self.folders)?);
                *last = Some(snapshot.clone());
                Ok(snapshot)
            }
        }
    }
}

impl Snapshot {
    fn take(folders: &[PathBuf]) -> Result<Snapshot, RunDirError> {
        let taken = Instant::now();
        let report = Report::read(folders)?;
        let mut document = report.document(Target::Live);
        let hash = |text: &str| blake3::hash(text.as_bytes()).to_hex()[..16].to_owned();
        let curves: BTreeMap<String, (String, String)> = report
            .curves()
            .into_iter()
            .map(|curves| {
                let json = data_json(&curves);
                (curves.variant, (hash(&json), json))
            })
            .collect();
        let of_curves: String = curves.values().map(|(revision, _)| revision.as_str()).collect();
        let revision = hash(&format!("{}{of_curves}", document.undated()));
        let runs = report.runs().map(|(key, seed, run)| ((key, seed), run.clone())).collect();
        Ok(Snapshot { taken, cost: taken.elapsed(), document, revision, curves, runs })
    }

    fn is_fresh(&self) -> bool {
        self.taken.elapsed() < FRESH.max(self.cost * SHARE)
    }

    /// The document with what a page needs to ask for the rest.
    pub(super) fn update(&self) -> String {
        let curves = self.curves.iter().map(|(key, (revision, _))| (key.as_str(), revision.as_str()));
        data_json(&Update { revision: &self.revision, curves: curves.collect(), document: &self.document })
    }

    /// The curves of a variant as JSON.
    pub(super) fn curves(&self, variant: &str) -> Option<&str> {
        self.curves.get(variant).map(|(_, json)| json.as_str())
    }

    /// The folder of a run.
    pub(super) fn run(&self, variant: &str, seed: u64) -> Option<&RunDir> {
        self.runs.get(&(variant.to_owned(), seed))
    }
}
