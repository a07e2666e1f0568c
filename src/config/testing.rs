//! Test support: a folder of configuration files, and requests for them.

use std::path::Path;

use super::{Config, Experiment, Problems, Request};

/// A temporary folder of files.
pub(crate) struct Folder(tempfile::TempDir);

impl Folder {
    /// A folder with one file.
    pub(crate) fn with(name: &str, text: &str) -> Self {
        let folder = Folder(tempfile::tempdir().expect("a temporary folder"));
        folder.write(name, text);
        folder
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, text).expect("a written file");
    }

    pub(crate) fn request(&self, name: &str) -> Request {
        Request { experiment: self.path().join(name), ..Request::default() }
    }

    pub(crate) fn load(&self, name: &str) -> Result<Experiment, Problems> {
        Experiment::load(&self.request(name))
    }

    /// What the user reads, with the folder's own path left out.
    pub(crate) fn refusal(&self, request: &Request) -> String {
        let problems = Experiment::load(request).expect_err("this configuration is wrong");
        self.relative(&problems.to_string())
    }

    pub(crate) fn relative(&self, text: &str) -> String {
        text.replace(&format!("{}/", self.path().display()), "")
    }
}

/// The configuration of an empty experiment file.
pub(crate) fn defaults() -> Config {
    Folder::with("x.toml", "").load("x.toml").expect("the defaults are valid").base().clone()
}

/// What the user reads about a single experiment file `x.toml`.
pub(crate) fn refusal(text: &str) -> String {
    let folder = Folder::with("x.toml", text);
    folder.refusal(&folder.request("x.toml"))
}
