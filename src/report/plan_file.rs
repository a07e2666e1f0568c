//! What `plan.json` says was asked for: read here without the `plan` station, which writes it.
//!
//! In: the file. Out: [`Planned`] variants in their order. Fields this reader does not need are ignored.

use serde::Deserialize;

use crate::rundir::{Disk, ExperimentDir, Overrides, RunDirError, files};

/// Far above a plan of 10,000 variants.
const SIZE_LIMIT: u64 = 1 << 28;

/// One variant of the plan.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Planned {
    /// Folder name.
    pub(super) name: String,
    /// Identity.
    pub(super) id: String,
    /// Swept keys in declared order.
    #[serde(default)]
    pub(super) overrides: Overrides,
    /// Replicates.
    #[serde(default)]
    pub(super) seeds: Vec<u64>,
    /// Whether the latest invocation still wants it.
    #[serde(default = "yes")]
    pub(super) asked: bool,
}

fn yes() -> bool {
    true
}

#[derive(Deserialize)]
struct PlanFile {
    #[serde(default)]
    variants: Vec<Entry>,
}

/// A variant, or something that damage made of one.
#[derive(Deserialize)]
#[serde(untagged)]
enum Entry {
    Variant(Planned),
    Other(serde::de::IgnoredAny),
}

/// Reads an experiment's plan; empty where it has none.
pub(super) fn read(experiment: &ExperimentDir) -> Result<Vec<Planned>, RunDirError> {
    let path = experiment.plan_path();
    let Some(text) = files::read_text(&Disk, &path, SIZE_LIMIT)? else { return Ok(Vec::new()) };
    let file: PlanFile = serde_json::from_str(&text)
        .map_err(|error| RunDirError::Malformed { path, reason: error.to_string() })?;
    let readable = file.variants.into_iter().filter_map(|entry| match entry {
        Entry::Variant(variant) => Some(variant),
        Entry::Other(_) => None,
    });
    Ok(readable.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overrides_keep_the_order_of_the_file() {
        let text = r#"{"name": "a-1", "id": "1", "overrides": {"model.dropout": 0.1, "data.limit": 4}}"#;
        let planned: Planned = serde_json::from_str(text).unwrap();
        let keys: Vec<&str> = planned.overrides.0.iter().map(|(key, _)| key.as_str()).collect();
        assert_eq!(keys, ["model.dropout", "data.limit"]);
        assert!(planned.asked && planned.seeds.is_empty());
    }

    #[test]
    fn a_damaged_variant_leaves_the_others() {
        let folder = tempfile::tempdir().unwrap();
        let experiment = ExperimentDir::at(folder.path());
        let text = r#"{"variants": [{"name": 1}, {"name": "a-1", "id": "1"}]}"#;
        std::fs::write(experiment.plan_path(), text).unwrap();
        let names: Vec<String> = read(&experiment).unwrap().into_iter().map(|plan| plan.name).collect();
        assert_eq!(names, ["a-1"]);
    }
}
