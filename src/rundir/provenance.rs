//! `provenance.json`: which program, on which machine, over which data, one entry per attempt.
//!
//! Equal bytes are promised for equal conditions; [`Attempt::difference`] says which condition changed.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::format::{self, PROVENANCE_FORMAT};
use super::{Disk, Process, RunDir, RunDirError, files};

const SIZE_LIMIT: u64 = 16 << 20;

/// Every attempt at a run, oldest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// Version of this file.
    pub format: u32,
    /// One entry per start of a worker.
    pub attempts: Vec<Attempt>,
    /// The run whose beginning this one has, where it was made by extending one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extended_from: Option<Origin>,
    /// The folder whose weights this run is made of, where it was imported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imported_from: Option<Imported>,
}

/// Where an imported run's weights come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Imported {
    /// The folder then.
    pub folder: PathBuf,
    /// BLAKE3 of its file of weights, 64 hexadecimal digits.
    pub weights_blake3: String,
    /// Who imported it.
    pub by: Attempt,
}

/// Where a run's beginning comes from; the attempts up to there are that run's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Origin {
    /// Its folder then.
    pub run: PathBuf,
    /// The step up to which the two are one.
    pub step: u64,
    /// Who extended it.
    pub by: Attempt,
}

/// The conditions of one attempt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Attempt {
    /// Counts from 1.
    pub attempt: u32,
    /// RFC 3339, UTC.
    pub started: String,
    /// Name of the machine.
    pub host: String,
    /// How the worker was called.
    pub command: Vec<String>,
    /// Version of this program.
    pub version: String,
    /// Commit it was built from; `unknown` outside a checkout.
    pub code_revision: String,
    /// Whether the checkout had uncommitted changes then.
    pub code_dirty: bool,
    /// BLAKE3 of the program's file.
    pub binary: String,
    /// Version of libtorch.
    pub libtorch: String,
    /// Device that was used.
    pub device: String,
    /// Model and instruction sets of the CPU.
    pub cpu: String,
    /// Threads inside one operation.
    pub threads: usize,
    /// Hash of all images and their split.
    pub data_fingerprint: String,
}

impl Attempt {
    /// What this process knows of itself; the caller fills in the rest.
    pub fn of_this_process() -> Attempt {
        Attempt {
            attempt: 0,
            started: super::status::timestamp(chrono::Utc::now()),
            host: Process::current().host,
            command: std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            code_revision: env!("ABLATE_GIT_REVISION").to_owned(),
            code_dirty: env!("ABLATE_GIT_DIRTY") == "true",
            binary: own_hash().unwrap_or_else(|| "unknown".to_owned()),
            libtorch: String::new(),
            device: String::new(),
            cpu: cpu().unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
            threads: 0,
            data_fingerprint: String::new(),
        }
    }

    /// The first condition in which a later attempt differs so that bits may differ.
    pub fn difference(&self, later: &Attempt) -> Option<String> {
        let kind = |device: &str| device.split(':').next().unwrap_or_default().to_owned();
        let conditions = [
            ("program", self.binary.clone(), later.binary.clone()),
            ("libtorch", self.libtorch.clone(), later.libtorch.clone()),
            ("device", kind(&self.device), kind(&later.device)),
            ("CPU", self.cpu.clone(), later.cpu.clone()),
            ("threads", self.threads.to_string(), later.threads.to_string()),
        ];
        conditions
            .into_iter()
            .find(|(_, first, now)| first != now)
            .map(|(what, first, now)| format!("{what} changed from {first} to {now}"))
    }
}

impl Default for Provenance {
    /// A run that nobody has been at.
    fn default() -> Provenance {
        Provenance { format: PROVENANCE_FORMAT, attempts: vec![], extended_from: None, imported_from: None }
    }
}

impl Provenance {
    /// The fingerprint that an earlier attempt recorded, if it was computed the same way: it may begin with
    /// the number of another, or with none at all, where another version of the program computed it.
    pub fn comparable_fingerprint(&self, now: &str) -> Option<&str> {
        let number = |fingerprint: &str| fingerprint.split_once('-').map(|(number, _)| number.to_owned());
        let earlier = self.attempts.iter().map(|attempt| attempt.data_fingerprint.as_str());
        earlier.into_iter().find(|earlier| number(earlier) == number(now))
    }

    /// The fingerprint that was recorded, where it says that the images were others than those of `now`.
    pub fn other_data(&self, now: &str) -> Option<&str> {
        self.comparable_fingerprint(now).filter(|recorded| *recorded != now)
    }

    /// Reads a run's record; empty where there is none yet.
    pub fn read(run: &RunDir) -> Result<Provenance, RunDirError> {
        let path = run.provenance_path();
        match files::read_text(&Disk, &path, SIZE_LIMIT)? {
            Some(text) => Provenance::parse(&path, &text),
            None => Ok(Provenance::default()),
        }
    }

    /// As [`Provenance::read`], of a text; `path` is for messages alone.
    pub(crate) fn parse(path: &Path, text: &str) -> Result<Provenance, RunDirError> {
        format::parse(path, text, "provenance", PROVENANCE_FORMAT)
    }

    /// Replaces the record.
    pub fn write(&self, run: &RunDir) -> Result<(), RunDirError> {
        let text = serde_json::to_string_pretty(self).expect("plain fields with string keys serialise");
        files::replace(&Disk, &run.provenance_path(), (text + "\n").as_bytes())
    }
}

fn own_hash() -> Option<String> {
    let mut hasher = blake3::Hasher::new();
    let mut file = std::fs::File::open(std::env::current_exe().ok()?).ok()?;
    std::io::copy(&mut file, &mut hasher).ok()?;
    Some(hasher.finalize().to_hex()[..16].to_owned())
}

/// Model name and a short hash of the instruction sets: libtorch chooses its kernels by them.
pub fn cpu() -> Option<String> {
    let text = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let field = |name: &str| {
        let line = text.lines().find(|line| line.starts_with(name))?;
        line.split_once(':').map(|(_, value)| value.trim().to_owned())
    };
    let flags = blake3::hash(field("flags")?.as_bytes()).to_hex();
    Some(format!("{} ({})", field("model name")?, &flags[..8]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_differ_by_their_first_changed_condition_and_not_by_the_device_index() {
        let first = Attempt { device: "cuda:0".into(), threads: 1, ..Attempt::of_this_process() };
        let mut later = Attempt { device: "cuda:1".into(), attempt: 2, ..first.clone() };
        assert_eq!(first.difference(&later), None);
        later.threads = 2;
        assert_eq!(first.difference(&later).unwrap(), "threads changed from 1 to 2");
    }
}
