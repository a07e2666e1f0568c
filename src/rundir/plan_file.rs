//! `plan.json` as it lies in an experiment's folder: what was asked for, over all invocations.
//!
//! In: the file. Out: [`Recorded`] variants in their order, and how many entries were none. A variant that damage
//! has hit does not hide the others. The `plan` station writes the file; `report` and `check` read it.

use std::fmt;
use std::path::Path;

use serde::de::{Error, IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::format::{self, PLAN_FORMAT};
use super::layout::is_safe_name;
use super::{Disk, ExperimentDir, Overrides, RunDirError, files};

/// Four times a plan of 10,000 variants; what is read takes several times as much memory.
const SIZE_LIMIT: u64 = 32 << 20;
/// With more entries that are none the file is no plan.
const MOST_LOST: usize = 10_000;

/// One variant as the file has it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Recorded {
    /// Folder name.
    pub name: String,
    /// The digits of the identity in that name.
    pub id: String,
    /// The whole identity; empty where an early version did not say.
    #[serde(default)]
    pub identity: String,
    /// Whether the latest invocation plans it.
    #[serde(default = "yes")]
    pub asked: bool,
    /// Swept keys in declared order.
    #[serde(default)]
    pub overrides: Overrides,
    /// Replicates that the latest invocation with this variant planned.
    #[serde(default)]
    pub seeds: Vec<u64>,
    /// Replicates that only earlier invocations planned.
    #[serde(default)]
    pub dropped_seeds: Vec<u64>,
    /// Trainable parameters.
    #[serde(default)]
    pub parameters: u64,
    /// Operations of one forward and backward pass over one image.
    #[serde(default)]
    pub train_flops_per_image: u64,
}

fn yes() -> bool {
    true
}

/// The content of `plan.json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PlanFile {
    /// Version of this file.
    pub format: u32,
    /// Name of the experiment.
    pub experiment: String,
    /// Keys whose value differs between variants, in declared order.
    pub varying: Vec<String>,
    /// What the experiment gives every swept key where no axis does, in the latest invocation; empty where an
    /// early version did not say.
    pub base: Overrides,
    /// Those of the latest invocation first.
    pub variants: Vec<Recorded>,
    /// Entries that could not be read.
    #[serde(skip)]
    pub lost: usize,
}

/// The variants that can be read, one at a time: a file of nothing but damage must not fill the memory.
#[derive(Default)]
struct Entries {
    variants: Vec<Recorded>,
    lost: usize,
}

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        /// A variant, or something that damage made of one.
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Entry {
            Variant(Recorded),
            Other(IgnoredAny),
        }

        struct List;
        impl<'de> Visitor<'de> for List {
            type Value = Entries;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of variants")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Entries, A::Error> {
                let mut entries = Entries::default();
                while let Some(entry) = list.next_element()? {
                    match entry {
                        Entry::Variant(variant) if variant.has_folder_of_its_own() => {
                            entries.variants.push(variant);
                        }
                        Entry::Variant(_) | Entry::Other(_) => entries.lost += 1,
                    }
                    if entries.lost > MOST_LOST {
                        return Err(A::Error::custom(format!(
                            "more than {MOST_LOST} entries are no variants"
                        )));
                    }
                }
                Ok(entries)
            }
        }
        deserializer.deserialize_seq(List)
    }
}

impl Recorded {
    /// Whether the name can be the folder of this variant: one with a path in it would lead out of the experiment.
    fn has_folder_of_its_own(&self) -> bool {
        is_safe_name(&self.name) && !self.id.is_empty() && self.name.ends_with(&self.id)
    }
}

impl PlanFile {
    /// Reads an experiment's plan; `None` where it has none.
    ///
    /// # Errors
    /// The file is damaged as a whole, newer, or cannot be read.
    pub fn read(experiment: &ExperimentDir) -> Result<Option<PlanFile>, RunDirError> {
        let path = experiment.plan_path();
        let text = files::read_text(&Disk, &path, SIZE_LIMIT)?;
        text.map(|text| PlanFile::parse(&path, &text)).transpose()
    }

    /// The content of the file at `path`, which errors name.
    ///
    /// # Errors
    /// It is damaged as a whole, or newer.
    pub fn parse(path: &Path, text: &str) -> Result<PlanFile, RunDirError> {
        #[derive(Deserialize)]
        struct File {
            #[serde(default)]
            experiment: String,
            #[serde(default)]
            varying: Vec<String>,
            #[serde(default)]
            base: Overrides,
            variants: Entries,
        }

        let File { experiment, varying, base, variants: Entries { variants, lost } } =
            format::parse(path, text, "plan", PLAN_FORMAT)?;
        Ok(PlanFile { format: PLAN_FORMAT, experiment, varying, base, variants, lost })
    }

    /// Replaces the plan of an experiment, whose folder must exist and whose lock be held.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn write(&self, experiment: &ExperimentDir) -> Result<(), RunDirError> {
        let path = experiment.plan_path();
        let mut bytes =
            serde_json::to_vec_pretty(self).map_err(|error| RunDirError::malformed(&path, error))?;
        bytes.push(b'\n');
        files::replace(&Disk, &path, &bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn experiment(text: &str) -> (tempfile::TempDir, ExperimentDir) {
        let folder = tempfile::tempdir().unwrap();
        let experiment = ExperimentDir::at(folder.path());
        std::fs::write(experiment.plan_path(), text).unwrap();
        (folder, experiment)
    }

    #[test]
    fn overrides_keep_the_order_of_the_file() {
        let text = r#"{"name": "a-1", "id": "1", "overrides": {"model.dropout": 0.1, "data.limit": 4}}"#;
        let recorded: Recorded = serde_json::from_str(text).unwrap();
        let keys: Vec<&str> = recorded.overrides.0.iter().map(|(key, _)| key.as_str()).collect();
        assert_eq!(keys, ["model.dropout", "data.limit"]);
        assert!(recorded.asked && recorded.seeds.is_empty());
    }

    #[test]
    fn a_damaged_variant_leaves_the_others_and_is_counted() {
        let (_folder, experiment) = experiment(r#"{"variants": [{"name": 1}, {"name": "a-1", "id": "1"}]}"#);
        let plan = PlanFile::read(&experiment).unwrap().unwrap();
        assert_eq!(plan.variants.iter().map(|variant| variant.name.as_str()).collect::<Vec<_>>(), ["a-1"]);
        assert_eq!(plan.lost, 1);
    }

    #[test]
    fn a_newer_or_damaged_file_is_refused_and_a_missing_one_is_none() {
        let (folder, experiment) = experiment(r#"{"format": 2, "variants": {}}"#);
        let message = PlanFile::read(&experiment).unwrap_err().to_string();
        assert!(message.contains("has plan format 2, this program knows formats up to 1"), "{message}");
        for damaged in ["", "{", "[]", "{\"format\": 1, \"variants\": 3}"] {
            std::fs::write(experiment.plan_path(), damaged).unwrap();
            let message = PlanFile::read(&experiment).unwrap_err().to_string();
            assert!(message.contains("plan.json is damaged"), "{message}");
        }
        assert_eq!(PlanFile::read(&ExperimentDir::at(folder.path().join("x"))).unwrap(), None);
    }
}
