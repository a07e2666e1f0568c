//! Experiments for tests, written to temporary folders and read the way the program reads them.

use std::path::{Path, PathBuf};

use crate::config::{Config, Experiment, Problems, Request};

/// An experiment file in a folder of its own, which goes away with the value.
pub(crate) struct Written {
    folder: tempfile::TempDir,
}

/// Writes `x.toml`; its runs go below the same folder.
pub(crate) fn written(text: &str) -> Written {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("x.toml"), text).unwrap();
    Written { folder }
}

impl Written {
    /// The folder of the experiment's runs.
    pub(crate) fn directory(&self) -> PathBuf {
        self.folder.path().join("runs/x")
    }

    /// Loads it with `-s` and `--pin` settings.
    pub(crate) fn load(&self, set: &[&str], pin: &[&str]) -> Result<Experiment, Problems> {
        let runs_dir = format!("runtime.runs_dir=\"{}\"", self.folder.path().join("runs").display());
        let set = set.iter().copied().chain([runs_dir.as_str()]).map(str::to_owned).collect();
        Experiment::load(&Request {
            experiment: self.path(),
            set,
            pin: pin.iter().copied().map(str::to_owned).collect(),
            ..Request::default()
        })
    }

    /// The file.
    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("x.toml")
    }

    /// An error's text with the temporary folder left out.
    pub(crate) fn text(&self, problems: &Problems) -> String {
        let folder: &Path = self.folder.path();
        problems.to_string().replace(&format!("{}/", folder.display()), "")
    }
}

/// The built-in defaults.
pub(crate) fn base_config() -> Config {
    written("").load(&[], &[]).unwrap().resolve(&[]).unwrap()
}
