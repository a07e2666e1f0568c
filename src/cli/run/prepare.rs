//! Laying out a run's folder: its `config.toml`, written once, changed only where identity allows.

use std::collections::BTreeMap;
use std::io::Write;

use serde_json::{Value, json};

use super::Entry;
use crate::config::{self, Config};
use crate::guard;
use crate::rundir::{Disk, Held, RunDir, RunDirError, RunLock, files};

const SIZE_LIMIT: u64 = 16 << 20;

/// Why a run could not be laid out.
#[derive(Debug, thiserror::Error)]
pub(in crate::cli) enum PrepareError {
    /// The folder's name says another configuration than its file.
    #[error("{} holds another configuration than {label} stands for", path.display())]
    Foreign {
        /// The file.
        path: std::path::PathBuf,
        /// The run.
        label: String,
    },
    /// A path of the configuration, or of the folder it is run from, is not UTF-8.
    #[error("the configuration of {label} cannot be written as TOML: {source}")]
    Unwritable {
        /// The run.
        label: String,
        /// Why.
        source: toml::ser::Error,
    },
    /// Somebody alive is at work in it.
    #[error(transparent)]
    Held(Held),
    /// The disk.
    #[error(transparent)]
    RunDir(#[from] RunDirError),
}

/// Creates the folder and writes `config.toml` where it is missing or damaged. One that differs in keys that
/// identity leaves out is replaced, and the change recorded: it applies from the next attempt.
///
/// Returns whether something was written that [`files::sync_file_system`] must still make durable.
pub(in crate::cli) fn prepare(entry: &Entry) -> Result<bool, PrepareError> {
    if !entry.write_config {
        return Ok(false);
    }
    let path = entry.run.config_path();
    let text = config::to_toml(&entry.config)
        .map_err(|source| PrepareError::Unwritable { label: entry.label.clone(), source })?;
    let folder = entry.run.path();
    let mut places = [folder.parent(), Some(folder)].into_iter().flatten();
    if let Some(link) = places.find(|path| guard::is_link(path)) {
        let reason = "it is a link, which is not followed; move it away".to_owned();
        return Err(RunDirError::Malformed { path: link.to_path_buf(), reason }.into());
    }
    std::fs::create_dir_all(folder).map_err(|source| RunDirError::Io {
        action: "create folder",
        path: folder.to_path_buf(),
        source,
    })?;
    let existing = match files::read_text(&Disk, &path, SIZE_LIMIT) {
        Err(RunDirError::Malformed { .. }) => None,
        found => found?,
    };
    if existing.as_deref() == Some(text.as_str()) {
        return Ok(false);
    }
    let _lock = RunLock::acquire(&entry.run).map_err(|held| match held {
        Held::Unusable(error) => PrepareError::RunDir(error),
        held @ Held::By { .. } => PrepareError::Held(held),
    })?;
    // What a damaged file said is known from the folder's name.
    if let Some(old) = existing.and_then(|_| config::read_run_config(&path).ok()) {
        let same = config::identity_value(&old) == config::identity_value(&entry.config);
        if !same || old.training.seed != entry.config.training.seed {
            return Err(PrepareError::Foreign { path, label: entry.label.clone() });
        }
        record_change(&entry.run, &old, &entry.config)?;
    }
    files::replace_unsynced(&Disk, &path, text.as_bytes())?;
    Ok(true)
}

/// Appends a line to `log.jsonl`, in the form of the worker's own.
fn record_change(run: &RunDir, old: &Config, new: &Config) -> Result<(), RunDirError> {
    let (old, new) = (flat(old), flat(new));
    let keys = old.keys().chain(new.keys());
    let changed: BTreeMap<&String, Value> = keys
        .filter(|key| old.get(*key) != new.get(*key))
        .map(|key| (key, json!({"from": old.get(key), "to": new.get(key)})))
        .collect();
    if changed.is_empty() {
        return Ok(());
    }
    let line = json!({
        "timestamp": chrono::Utc::now().to_rfc3339(),
        "level": "INFO",
        "fields": {"message": "configuration changed outside of identity", "changed": changed},
        "target": "ablate::cli::run",
    });
    let path = run.log_path();
    guard::append_or_create(&path)
        .and_then(|mut file| file.write_all(format!("{line}\n").as_bytes()))
        .map_err(|source| RunDirError::Io { action: "write", path, source })
}

fn flat(config: &Config) -> BTreeMap<String, Value> {
    let mut flat = BTreeMap::new();
    let Ok(Value::Object(sections)) = serde_json::to_value(config) else { return flat };
    for (section, value) in sections {
        match value {
            Value::Object(keys) => {
                flat.extend(keys.into_iter().map(|(key, value)| (format!("{section}.{key}"), value)));
            }
            value => {
                flat.insert(section, value);
            }
        }
    }
    flat
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Experiment;

    fn entry(folder: &tempfile::TempDir) -> Entry {
        let file = folder.path().join("x.toml");
        std::fs::write(&file, "").unwrap();
        let request = config::Request { experiment: file, ..config::Request::default() };
        let config = Experiment::load(&request).unwrap().base().clone();
        let run = RunDir::at(folder.path().join("base-1/seed-0"));
        Entry { label: run.label(), run, config, write_config: true, environment: vec![] }
    }

    #[test]
    fn a_configuration_is_written_once_and_reads_back() {
        let folder = tempfile::tempdir().unwrap();
        let entry = entry(&folder);
        prepare(&entry).unwrap();
        assert_eq!(config::read_run_config(&entry.run.config_path()).unwrap(), entry.config);
        assert!(!prepare(&entry).unwrap());
        assert!(!entry.run.log_path().exists(), "nothing changed");
    }

    #[test]
    fn a_change_outside_of_identity_is_applied_and_recorded() {
        let folder = tempfile::tempdir().unwrap();
        let mut entry = entry(&folder);
        prepare(&entry).unwrap();
        entry.config.checkpoint.keep += 1;
        prepare(&entry).unwrap();
        assert_eq!(config::read_run_config(&entry.run.config_path()).unwrap(), entry.config);
        let log: Value =
            serde_json::from_str(&std::fs::read_to_string(entry.run.log_path()).unwrap()).unwrap();
        assert!(log["fields"]["changed"]["checkpoint.keep"]["to"].is_number(), "{log}");
    }

    #[test]
    fn another_identity_in_the_folder_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let mut entry = entry(&folder);
        prepare(&entry).unwrap();
        entry.config.training.learning_rate *= 2.0;
        let error = prepare(&entry).unwrap_err().to_string();
        assert!(error.contains("config.toml holds another configuration than base-1/seed-0"), "{error}");
    }

    #[test]
    fn a_damaged_configuration_is_written_again() {
        let folder = tempfile::tempdir().unwrap();
        let entry = entry(&folder);
        prepare(&entry).unwrap();
        std::fs::write(entry.run.config_path(), "na").unwrap();
        prepare(&entry).unwrap();
        assert_eq!(config::read_run_config(&entry.run.config_path()).unwrap(), entry.config);
    }

    #[test]
    fn a_folder_in_use_is_not_touched() {
        let folder = tempfile::tempdir().unwrap();
        let mut entry = entry(&folder);
        prepare(&entry).unwrap();
        let _lock = RunLock::acquire(&entry.run).unwrap();
        entry.config.checkpoint.keep += 1;
        assert!(matches!(prepare(&entry), Err(PrepareError::Held(_))));
    }
}
