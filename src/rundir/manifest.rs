//! A checkpoint's `manifest.json`: written last, it is what makes a folder a checkpoint.
//!
//! In: a folder of files. Out: their sizes and hashes, whose checkpoint it is, where each log stood, and
//! the manifest's own hash, so that any changed byte is noticed.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::files;
use super::format::{self, MANIFEST_FORMAT};
use super::fs::{Fs, FsFile, Kind};
use super::layout;
use super::{Mark, RunDirError};
use crate::config::{self, Config, Metric};

/// The file's name.
pub const MANIFEST_NAME: &str = "manifest.json";

const SIZE_LIMIT: u64 = 4 << 20;
/// Stands for the manifest's own hash while that hash is computed.
const NO_HASH: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// Whose checkpoint it is: one copied in from another run is refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// The variant's identity.
    pub run_id: String,
    /// The seed.
    pub seed: u64,
}

impl Owner {
    /// Whose the checkpoints of a run with this configuration are.
    pub fn of(config: &Config) -> Owner {
        Owner { run_id: config::identity(config), seed: config.training.seed }
    }
}

/// The best evaluation so far.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// The step it was made at.
    pub step: u64,
    /// Its value.
    pub value: f64,
    /// What was measured; nothing is said by checkpoints from before one could choose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric: Option<Metric>,
}

/// What the caller of a save adds to the files.
#[derive(Debug, Clone, PartialEq)]
pub struct ManifestMeta {
    /// Whose checkpoint it is.
    pub owner: Owner,
    /// Each log's mark, by file name ("metrics.csv"), taken before the save.
    pub logs: BTreeMap<String, Mark>,
    /// The best evaluation so far.
    pub best: Option<Best>,
}

/// One file of a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// Length in bytes.
    pub bytes: u64,
    /// Hash of the content, 64 hexadecimal digits.
    pub blake3: String,
}

/// The content of `manifest.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of this file.
    pub format: u32,
    /// Whose checkpoint it is.
    #[serde(flatten)]
    pub owner: Owner,
    /// The *next* step to train: steps done.
    pub step: u64,
    /// Every other file of the folder.
    pub files: BTreeMap<String, FileEntry>,
    /// Where each log stood, by file name.
    pub logs: BTreeMap<String, Mark>,
    /// The best evaluation so far.
    pub best: Option<Best>,
    /// Hash of this file with these digits as zeros.
    pub blake3: String,
}

impl Manifest {
    /// Bytes of all files together.
    pub fn total_bytes(&self) -> u64 {
        self.files.values().fold(0, |sum, file| sum.saturating_add(file.bytes))
    }

    /// Forces every file of the folder to the disk, hashes it, and writes the manifest beside them.
    pub(super) fn write(
        fs: &dyn Fs,
        folder: &Path,
        step: u64,
        meta: ManifestMeta,
    ) -> Result<Manifest, RunDirError> {
        let mut entries = BTreeMap::new();
        for name in files::names_in(fs, folder)? {
            let path = folder.join(&name);
            let Some(name) = name.to_str().filter(|name| layout::is_safe_name(name)) else {
                return Err(RunDirError::Name { name: crate::guard::printable(&name.to_string_lossy()) });
            };
            let file = fs.open(&path).map_err(|source| files::unusable(fs, "read", &path, source))?;
            files::sync_file(file.as_ref(), &path)?;
            entries.insert(name.to_owned(), entry(file, &path)?);
        }
        let ManifestMeta { owner, logs, best } = meta;
        let blake3 = NO_HASH.to_owned();
        let mut manifest =
            Manifest { format: MANIFEST_FORMAT, owner, step, files: entries, logs, best, blake3 };
        let path = folder.join(MANIFEST_NAME);
        let blank = serde_json::to_string_pretty(&manifest).map_err(|e| RunDirError::malformed(&path, e))?;
        manifest.blake3 = blake3::hash(blank.as_bytes()).to_hex().to_string();
        files::create(fs, &path, blank.replace(NO_HASH, &manifest.blake3).as_bytes())?;
        files::sync_dir(fs, folder)?;
        Ok(manifest)
    }

    /// Reads a manifest and checks its own hash, format and step; the files are not looked at.
    pub(super) fn read(fs: &dyn Fs, folder: &Path) -> Result<Manifest, RunDirError> {
        let path = folder.join(MANIFEST_NAME);
        let damaged = |reason: &str| Err(RunDirError::malformed(&path, reason));
        // What a link leads to is not this run's, and nothing may be deleted there.
        if fs.entry(folder).is_ok_and(|found| found.kind != Kind::Folder) {
            return Err(RunDirError::malformed(folder, "it is not a folder"));
        }
        let Some(text) = files::read_text(fs, &path, SIZE_LIMIT)? else { return damaged("it is missing") };
        Manifest::parse(folder, &text)
    }

    /// As [`Manifest::read`], of a text.
    pub(crate) fn parse(folder: &Path, text: &str) -> Result<Manifest, RunDirError> {
        let path = folder.join(MANIFEST_NAME);
        let damaged = |reason: &str| Err(RunDirError::malformed(&path, reason));
        let manifest: Manifest = format::parse(&path, text, "manifest", MANIFEST_FORMAT)?;
        let is_hash = manifest.blake3.len() == NO_HASH.len() && manifest.blake3 != NO_HASH;
        let blank = text.replace(&manifest.blake3, NO_HASH);
        if !is_hash || blake3::hash(blank.as_bytes()).to_hex().as_str() != manifest.blake3 {
            return damaged("its own hash does not match");
        }
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        if layout::parse_step(&name) != Some(manifest.step) {
            return damaged("it belongs to another step");
        }
        if let Some(name) = manifest.files.keys().find(|name| !layout::is_safe_name(name)) {
            return damaged(&format!("it lists \"{}\"", crate::guard::printable(name)));
        }
        Ok(manifest)
    }

    /// The text with the hash that its content has, where it has the form of a manifest: as a forger would.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn resealed(text: &str) -> Option<String> {
        let manifest: Manifest = serde_json::from_str(text).ok()?;
        let blank = text.replace(&manifest.blake3, NO_HASH);
        let seal = blake3::hash(blank.as_bytes()).to_hex();
        Some(blank.replace(NO_HASH, seal.as_str()))
    }

    /// Checks every file's size and hash.
    pub(super) fn verify_files(&self, fs: &dyn Fs, folder: &Path) -> Result<(), RunDirError> {
        for (name, expected) in &self.files {
            let path = folder.join(name);
            let damaged = |reason: String| Err(RunDirError::malformed(&path, reason));
            let Some(file) = files::open(fs, &path)? else { return damaged("it is missing".to_owned()) };
            // The length is known without reading what may be a very long file.
            let found = fs.entry(&path).map_err(|source| RunDirError::io("look at", &path, source))?;
            if found.kind != Kind::File || found.bytes != expected.bytes {
                return damaged(format!("{} bytes, its manifest says {}", found.bytes, expected.bytes));
            }
            if entry(file, &path)?.blake3 != expected.blake3 {
                return damaged("its hash is not the manifest's".to_owned());
            }
        }
        Ok(())
    }
}

fn entry(file: Box<dyn FsFile>, path: &Path) -> Result<FileEntry, RunDirError> {
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(file).map_err(|source| RunDirError::io("read", path, source))?;
    Ok(FileEntry { bytes: hasher.count(), blake3: hasher.finalize().to_hex().to_string() })
}
