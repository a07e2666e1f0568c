//! A trained run tree for each case to spoil, a tree outside that must stay as it is, and the commands that are run
//! over the spoiled one.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use tempfile::TempDir;

use crate::support::Workplace;
use crate::support::canary::{Canary, copy, survives};
use crate::support::tier::Tier;
use crate::support::training::TINY;

/// Twelve steps, the last checkpoint gone and the state interrupted, so that every command has something to do.
fn trained() -> &'static TempDir {
    static TREE: OnceLock<TempDir> = OnceLock::new();
    TREE.get_or_init(|| {
        let place = Workplace::with("x.toml", &experiment());
        place.ablate(&["run", "x.toml", "--quiet"]).exits(0);
        let folder = tempfile::tempdir().unwrap();
        copy(&place.path(""), folder.path());
        let run = run_below(folder.path());
        fs::remove_dir_all(run.join("checkpoints/step-00000012")).unwrap();
        let status = fs::read_to_string(run.join("status.json")).unwrap();
        fs::write(run.join("status.json"), status.replace("\"done\"", "\"interrupted\"")).unwrap();
        folder
    })
}

fn experiment() -> String {
    let text = TINY.replace("steps = 48", "steps = 12").replace("every = 8\n", "every = 4\n");
    text.replace("every = 16", "every = 6").replace("every = 24", "every = 6")
}

/// The only run below a workplace, relative to it.
fn run_below(folder: &Path) -> PathBuf {
    let only = |folder: PathBuf| {
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        entries.into_iter().find(|path| path.is_dir() && !path.ends_with("request")).unwrap()
    };
    only(only(folder.join("runs/x")))
}

/// One workplace and the tree outside.
pub(crate) struct Tree {
    pub(crate) place: Workplace,
    pub(crate) canary: Canary,
    pub(crate) run: PathBuf,
}

impl Tree {
    pub(crate) fn new() -> Tree {
        let place = Workplace::new();
        copy(trained().path(), &place.path(""));
        let run = run_below(&place.path(""));
        // Absolute paths of the workplace it was trained in.
        let config = fs::read_to_string(run.join("config.toml")).unwrap();
        let moved: Vec<String> = config
            .lines()
            .map(|line| match line.split_once(" = ") {
                Some((key @ ("runs_dir" | "data_dir"), _)) => {
                    let name = key.trim_end_matches("_dir");
                    format!("{key} = {:?}", place.path(name))
                }
                _ => line.to_owned(),
            })
            .collect();
        fs::write(run.join("config.toml"), moved.join("\n") + "\n").unwrap();
        let canary = Canary::with_copy_of(&place.path("runs/x"));
        Tree { place, canary, run }
    }

    /// A path of the run, or below `x/` of the experiment, or below `data/`.
    pub(crate) fn at(&self, name: &str) -> PathBuf {
        match name.split_once('/') {
            Some(("data", _)) => self.place.path(name),
            Some(("x", rest)) => self.place.path("runs/x").join(rest),
            _ if name == "." => self.run.clone(),
            _ if name == ".." => self.run.parent().unwrap().to_owned(),
            _ => self.run.join(name),
        }
    }

    /// The same place in the copy outside.
    pub(crate) fn outside(&self, name: &str) -> PathBuf {
        let below = self.at(name).strip_prefix(self.place.path("runs/x")).map(Path::to_owned);
        below.map_or_else(|_| self.canary.path("empty"), |below| self.canary.path("copy").join(below))
    }

    /// Takes away what is there.
    pub(crate) fn clear(&self, name: &str) -> PathBuf {
        let path = self.at(name);
        match fs::symlink_metadata(&path) {
            Ok(found) if found.is_dir() => fs::remove_dir_all(&path).unwrap(),
            Ok(_) => fs::remove_file(&path).unwrap(),
            Err(_) => fs::create_dir_all(path.parent().unwrap()).unwrap(),
        }
        path
    }

    /// Runs commands over the tree: all of them, or those whose turn it is.
    #[track_caller]
    pub(crate) fn endure(mut self, case: &str, turn: usize) {
        self.canary.remember();
        let run = self.run.to_str().unwrap().to_owned();
        survives(case, &self.place, &self.canary, &["status", "runs"]);
        survives(case, &self.place, &self.canary, &["compare", "runs/x"]);
        let commands: [&[&str]; 4] = [
            &["run", "x.toml", "--retry-failed"],
            &["resume", "runs/x"],
            &["sample", &run, "-n", "1", "--steps", "2"],
            &["resume", &run],
        ];
        let all = Tier::asked() == Tier::Full;
        for (place, command) in commands.into_iter().enumerate() {
            if all || place == turn % commands.len() {
                survives(case, &self.place, &self.canary, command);
            }
        }
    }
}
