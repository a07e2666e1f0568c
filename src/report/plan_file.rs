//! What `plan.json` says was asked for: read here without the `plan` station, which writes it.
//!
//! In: the file. Out: [`Planned`] variants in their order. Fields this reader does not need are ignored.

use std::fmt;
use std::path::Path;

use serde::de::{IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::rundir::layout::is_safe_name;
use crate::rundir::{Disk, ExperimentDir, Overrides, RunDirError, files};

/// Four times a plan of 10,000 variants; what is read takes several times as much memory.
const SIZE_LIMIT: u64 = 32 << 20;

/// One variant of the plan.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Planned {
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
    variants: Readable,
}

/// The variants that can be read, one at a time: a file of nothing but damage must not fill the memory.
#[derive(Default)]
struct Readable(Vec<Planned>);

impl<'de> Deserialize<'de> for Readable {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        /// A variant, or something that damage made of one.
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Entry {
            Variant(Planned),
            Other(IgnoredAny),
        }

        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Readable;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of variants")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Readable, A::Error> {
                let mut readable = Vec::new();
                while let Some(entry) = entries.next_element()? {
                    if let Entry::Variant(variant) = entry
                        && variant.has_folder_of_its_own()
                    {
                        readable.push(variant);
                    }
                }
                Ok(Readable(readable))
            }
        }
        deserializer.deserialize_seq(Entries)
    }
}

impl Planned {
    /// Whether the name can be the folder of this variant: one with a path in it would lead out of the experiment.
    fn has_folder_of_its_own(&self) -> bool {
        is_safe_name(&self.name) && !self.id.is_empty() && self.name.ends_with(&self.id)
    }
}

/// Reads an experiment's plan; empty where it has none.
pub(super) fn read(experiment: &ExperimentDir) -> Result<Vec<Planned>, RunDirError> {
    let path = experiment.plan_path();
    match files::read_text(&Disk, &path, SIZE_LIMIT)? {
        Some(text) => parse(&path, &text),
        None => Ok(Vec::new()),
    }
}

/// As [`read`], of a text; `path` is for messages alone.
pub(crate) fn parse(path: &Path, text: &str) -> Result<Vec<Planned>, RunDirError> {
    let file: PlanFile = serde_json::from_str(text)
        .map_err(|error| RunDirError::Malformed { path: path.to_owned(), reason: error.to_string() })?;
    Ok(file.variants.0)
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
    fn a_damaged_variant_and_one_that_leads_elsewhere_leave_the_others() {
        let folder = tempfile::tempdir().unwrap();
        let experiment = ExperimentDir::at(folder.path());
        let text =
            r#"{"variants": [{"name": 1}, {"name": "../../b-1", "id": "1"}, {"name": "a-1", "id": "1"}]}"#;
        std::fs::write(experiment.plan_path(), text).unwrap();
        let names: Vec<String> = read(&experiment).unwrap().into_iter().map(|plan| plan.name).collect();
        assert_eq!(names, ["a-1"]);
    }
}
