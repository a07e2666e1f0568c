//! What every test here needs: a folder of its own, and the program run in it.

#[cfg(feature = "torch")]
pub(crate) mod agreement;
#[cfg(feature = "torch")]
pub(crate) mod canary;
pub(crate) mod commands;
#[cfg(feature = "torch")]
pub(crate) mod faults;
pub(crate) mod golden;
#[cfg(feature = "torch")]
pub(crate) mod kills;
pub(crate) mod limits;
pub(crate) mod markdown;
pub(crate) mod numbers;
#[cfg(feature = "torch")]
pub(crate) mod points;
#[cfg(feature = "torch")]
pub(crate) mod processes;
#[cfg(feature = "torch")]
mod scenes;
#[cfg(feature = "torch")]
pub(crate) mod stops;
#[cfg(feature = "torch")]
pub(crate) mod strace;
#[cfg(feature = "torch")]
pub(crate) mod tensors;
#[cfg(feature = "torch")]
pub(crate) mod tier;
#[cfg(feature = "torch")]
pub(crate) mod training;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// A folder in which the program runs, deleted in the end.
pub(crate) struct Workplace {
    folder: TempDir,
}

impl Workplace {
    pub(crate) fn new() -> Workplace {
        Workplace { folder: tempfile::tempdir().unwrap() }
    }

    /// A workplace with one file.
    pub(crate) fn with(name: &str, text: &str) -> Workplace {
        let place = Workplace::new();
        place.write(name, text);
        place
    }

    pub(crate) fn path(&self, relative: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join(relative)
    }

    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    #[cfg(feature = "torch")]
    pub(crate) fn read(&self, relative: impl AsRef<Path>) -> String {
        let path = self.path(relative);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// The program, about to run here with nothing of the tester's settings.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ablate"));
        command.args(arguments).current_dir(self.folder.path()).stdin(Stdio::null());
        for (name, _) in std::env::vars_os() {
            if name.as_encoded_bytes().starts_with(b"ABLATE_") {
                command.env_remove(name);
            }
        }
        command.env("NO_COLOR", "1").env_remove("COLUMNS").env_remove("OMP_NUM_THREADS");
        // What the tester's machine was measured to do is told by `plan` and would be added to by `run`.
        command.env("XDG_CACHE_HOME", self.path("cache"));
        command
    }

    /// As [`Workplace::command`], started by a shell that does something first; `exec "$@"` starts the program.
    #[cfg(feature = "torch")]
    pub(crate) fn command_after(&self, script: &str, arguments: &[&str]) -> Command {
        let program = self.command(arguments);
        let mut shell = Command::new("sh");
        shell.args(["-c", script, "sh"]).arg(program.get_program()).args(program.get_args());
        shell.current_dir(self.folder.path()).stdin(Stdio::null());
        for (name, value) in program.get_envs() {
            match value {
                Some(value) => shell.env(name, value),
                None => shell.env_remove(name),
            };
        }
        shell
    }

    /// Runs the program to its end.
    pub(crate) fn ablate(&self, arguments: &[&str]) -> Ran {
        Ran::of(self.command(arguments).output().unwrap())
    }

    /// Every file below the folder, by relative path.
    pub(crate) fn files(&self) -> Vec<String> {
        files_below(self.folder.path())
    }
}

/// Every file below a folder, by relative path, sorted.
pub(crate) fn files_below(folder: &Path) -> Vec<String> {
    let entries = walkdir::WalkDir::new(folder).into_iter().map(Result::unwrap);
    let files = entries.filter(|entry| entry.file_type().is_file());
    let mut names: Vec<String> =
        files.map(|entry| entry.path().strip_prefix(folder).unwrap().to_str().unwrap().to_owned()).collect();
    names.sort();
    names
}

/// How the program ended.
#[derive(Debug)]
pub(crate) struct Ran {
    /// `None` where a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    pub(crate) fn of(output: Output) -> Ran {
        Ran {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Itself, if it ended as it should.
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Ran {
        assert_eq!(self.code, Some(code), "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    /// Standard output as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| {
            panic!("not JSON: {error}\nstdout:\n{}\nstderr:\n{}", self.stdout, self.stderr)
        })
    }
}
