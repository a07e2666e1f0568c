//! A run's `config.toml`: the resolved configuration, the worker's only input.
//!
//! In: a [`Config`]. Out: TOML that states every key, and the same configuration back from it, under the
//! rules of any other file.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::build::build;
use super::check;
use super::keys::KEYS;
use super::layer::Layer;
use super::merge::{self, Origin, Slot};
use super::problem::{Problem, Problems};
use super::schema::Config;
use super::source::{self, Document};

/// A run's configuration cannot be used.
#[derive(Debug, Error)]
#[error("{} cannot be used as a run's configuration\n{problems}", path.display())]
pub struct ConfigError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub problems: Problems,
}

impl ConfigError {
    /// Whether the disk is to blame, and not what the file says.
    pub fn is_storage(&self) -> bool {
        self.problems.0.iter().any(|problem| problem.is_storage)
    }
}

/// A configuration as TOML, every key stated.
///
/// # Errors
/// A path in it is not UTF-8.
pub fn to_toml(config: &Config) -> Result<String, toml::ser::Error> {
    toml::to_string(config)
}

/// Reads and checks a run's `config.toml`. No default is filled in: a run is what its file says; a key that
/// did not exist when it was written means what it meant then.
///
/// # Errors
/// The file cannot be read, lacks a key, has an unknown one, or breaks a rule.
pub fn read_run_config(path: &Path) -> Result<Config, ConfigError> {
    let read = || parse(source::read_own(path)?, path);
    read().map_err(|problems| ConfigError { path: path.to_owned(), problems })
}

/// As [`read_run_config`], of a text; `path` is for messages alone.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn parse_run_config(text: &str, path: &Path) -> Result<Config, Problems> {
    parse(source::parse(text.to_owned(), path)?, path)
}

fn parse(document: Document, path: &Path) -> Result<Config, Problems> {
    let mut layer = Layer {
        title: "run".to_owned(),
        file: Some(path.to_owned()),
        is_experiment: true,
        lines: document.lines,
        ..Layer::default()
    };
    let mut problems = Vec::new();
    layer.fill(&document.table, &mut problems);
    for key in super::keys::FILE_KEYS.iter().filter(|key| document.table.contains_key(**key)) {
        problems.push(layer.problem(key, format!("{key} has no place in a run's configuration")));
    }
    Problems(problems).into_result()?;
    let mut slots = merge::alone(&layer);
    for (key, slot) in KEYS.iter().zip(&mut slots) {
        if let (None, Some(value)) = (&slot, key.introduced_as) {
            *slot = Some(Slot { value: Cow::Owned(value.to_toml()), origin: Origin::Derived });
        }
    }
    let config = build(&slots)?;
    let found = check::findings_of_run(&config).into_iter().map(|finding| {
        let subject = finding.keys[0];
        layer.problem(subject, finding.message).with_help(finding.help)
    });
    let broken: Vec<Problem> = found.collect();
    Problems(broken).into_result()?;
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::testing::Folder;

    #[test]
    fn a_run_reads_back_exactly_what_was_written() {
        let folder = Folder::with(
            "x.toml",
            "preset = \"mnist\"\ndescription = \"two\\nlines\"\n[training]\nepochs = 3\nlearning_rate = 1.2345678901234567e-5\n",
        );
        let config = folder.load("x.toml").unwrap().base().clone();
        folder.write("run/config.toml", &to_toml(&config).unwrap());
        assert_eq!(read_run_config(&folder.path().join("run/config.toml")).unwrap(), config);
    }

    #[test]
    fn a_run_of_an_earlier_version_means_what_it_meant_then() {
        let folder = Folder::with("x.toml", "");
        let mut config = folder.load("x.toml").unwrap().base().clone();
        let lacks = |line: &str| {
            let later = KEYS.iter().filter(|key| key.introduced_as.is_some());
            let leaf = |path: &str| path.rsplit('.').next().unwrap_or_default().to_owned();
            later.into_iter().any(|key| line.starts_with(&format!("{} = ", leaf(key.path))))
        };
        let text = to_toml(&config).unwrap();
        let earlier: String =
            text.lines().filter(|line| !lacks(line)).map(|line| format!("{line}\n")).collect();
        assert!(earlier.lines().count() + 10 < text.lines().count());
        folder.write("run/config.toml", &earlier);
        // The one key whose meaning then is not its default now: such a run has no event files.
        config.runtime.tensorboard = false;
        assert_eq!(read_run_config(&folder.path().join("run/config.toml")).unwrap(), config);
    }

    #[test]
    fn a_run_configuration_is_complete_and_obeys_the_rules() {
        let folder = Folder::with("x.toml", "");
        let text = to_toml(folder.load("x.toml").unwrap().base()).unwrap();
        let refusal = |text: &str| {
            folder.write("config.toml", text);
            let error = read_run_config(&folder.path().join("config.toml")).unwrap_err();
            folder.relative(&error.to_string())
        };
        let opening = "config.toml cannot be used as a run's configuration\nerror: ";
        let without = text.replace("dropout = 0.0\n", "");
        assert_eq!(
            refusal(&without),
            format!("{opening}the configuration is incomplete: missing field `dropout`")
        );
        let accumulated = refusal(&text.replace("gradient_accumulation = 1", "gradient_accumulation = 5"));
        assert!(
            accumulated.starts_with(&format!("{opening}training.gradient_accumulation = 5 does not divide")),
            "{accumulated}"
        );
        assert!(refusal(&text.replace("timesteps", "timestep")).contains("unknown key diffusion.timestep"));
        assert!(refusal("preset = \"tiny\"").contains("preset has no place in a run's configuration"));
    }
}
