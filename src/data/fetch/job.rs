//! A whole data set: what is missing of it, from where, and what to do where nobody answers.
//!
//! In: a catalogue's entry and the data folder. Out: every published file below `<data_dir>/<name>`, in a form
//! that the readers take; what is there already is verified and left alone.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::catalogue::{Entry, PublishedFile};
use super::download::{Wanted, obtain};
use super::error::{Failure, FetchError};
use super::folder::{self, Lock, Standing};
use super::http::{Client, Patience};
use super::mirror::{Mirror, Place};
use super::npm;
use super::observer::{Event, Observer};
use super::partial::Partial;
use crate::data;

/// How to fetch.
#[derive(Debug, Clone)]
pub struct Options {
    /// Instead of the publisher's hosts.
    pub mirror: Option<Mirror>,
    /// Fetch again what is there, and replace files of other content.
    pub force: bool,
    /// Rounds over all sources that may bring nothing before giving up.
    pub attempts: u32,
    /// After the first such round; twice as long after each further one.
    pub pause: Duration,
    /// Limits of a single request.
    pub patience: Patience,
    /// The program `npm`.
    pub npm: OsString,
    /// Set to stop soon, keeping what is there.
    pub interrupted: Arc<AtomicBool>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            mirror: None,
            force: false,
            attempts: 4,
            pause: Duration::from_secs(1),
            patience: Patience::default(),
            npm: "npm".into(),
            interrupted: Arc::default(),
        }
    }
}

impl Options {
    pub(super) fn is_interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed)
    }
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The data set's folder.
    pub folder: PathBuf,
    /// The files that were fetched; none where all were there.
    pub fetched: Vec<String>,
}

/// Fetches what is missing of a data set.
///
/// # Errors
/// If a file cannot be had or written. What was verified by then stays, and a later call goes on from there.
pub fn fetch(
    entry: &Entry,
    data_dir: &Path,
    options: &Options,
    observer: &mut dyn Observer,
) -> Result<Outcome, FetchError> {
    if let Some(note) = &entry.note {
        return Err(FetchError::NotFetched { name: entry.name.clone(), reason: note.clone() });
    }
    let folder = data_dir.join(&entry.name);
    if missing(entry, &folder, options)?.is_empty() {
        return Ok(Outcome { folder, fetched: Vec::new() });
    }
    fs::create_dir_all(&folder).map_err(FetchError::io("create folder", &folder))?;
    let _lock = Lock::acquire(&folder)?;
    // Again: before the lock was ours, another process may have fetched some.
    let missing = missing(entry, &folder, options)?;
    if options.force {
        for file in &missing {
            folder::remove_if_there(&Partial::path_of(&folder, &file.name))?;
        }
    }
    let needed: u64 = missing.iter().map(|file| still_needed(&folder, file)).sum();
    folder::check_room(&folder, needed)?;
    let client = Client::new(options.patience);
    let job = Job { entry, folder: &folder, client: &client, options };
    job.run(&missing, observer)?;
    let fetched = missing.iter().map(|file| file.name.clone()).collect();
    Ok(Outcome { folder, fetched })
}

/// The files that have to be fetched.
///
/// # Errors
/// If something else has the name of one and may not be replaced.
fn missing<'a>(
    entry: &'a Entry,
    folder: &Path,
    options: &Options,
) -> Result<Vec<&'a PublishedFile>, FetchError> {
    if options.force {
        return Ok(entry.files.iter().collect());
    }
    let mut missing = Vec::new();
    for file in &entry.files {
        match folder::standing(folder, data::nested_places(&entry.name), file)? {
            Standing::There => {}
            Standing::Absent => missing.push(file),
            Standing::Foreign(error) => return Err(error),
        }
    }
    Ok(missing)
}

/// Bytes that are still to be written for a file.
fn still_needed(folder: &Path, file: &PublishedFile) -> u64 {
    let there = folder::length_of(&Partial::path_of(folder, &file.name));
    let unpacked: u64 = file.unpack.iter().map(|member| member.bytes).sum();
    file.bytes.saturating_sub(there) + unpacked
}

struct Job<'a> {
    entry: &'a Entry,
    folder: &'a Path,
    client: &'a Client,
    options: &'a Options,
}

impl Job<'_> {
    fn run(&self, missing: &[&PublishedFile], observer: &mut dyn Observer) -> Result<(), FetchError> {
        let mut sources = self.sources()?;
        for (index, file) in missing.iter().enumerate() {
            match self.bring(file, &mut sources, observer) {
                Ok(()) => {}
                Err(FetchError::Unobtainable { dataset, file, mut failures, kept }) => {
                    let Some(package) = self.entry.npm.as_ref().filter(|_| self.options.mirror.is_none())
                    else {
                        return Err(FetchError::Unobtainable { dataset, file, failures, kept });
                    };
                    let command = format!("npm pack {}@{}", package.package, package.version);
                    let note = format!("no host has {file} of {dataset} to give; trying `{command}`");
                    observer.notice(Event::Note(&note));
                    match npm::bring(package, &missing[index..], self.folder, self.options, observer)? {
                        Ok(()) => return Ok(()),
                        Err(reason) => failures.push(Failure { from: command, reason, absent: false }),
                    }
                    return Err(FetchError::Unobtainable { dataset, file, failures, kept });
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn sources(&self) -> Result<Vec<Mirror>, FetchError> {
        match &self.options.mirror {
            Some(mirror) => Ok(vec![mirror.clone()]),
            None => self.entry.hosts.iter().map(|host| host.parse()).collect(),
        }
    }

    /// Fetches a file and puts it into its place. The source that had it is asked first for the next one.
    fn bring(
        &self,
        file: &PublishedFile,
        sources: &mut [Mirror],
        observer: &mut dyn Observer,
    ) -> Result<(), FetchError> {
        let published = self.wanted(&file.name, file.bytes, file.sha256);
        let places = self.places(sources, &file.name);
        let of_source = places.len() / sources.len().max(1);
        let failed = match obtain(published, places, self.folder, self.client, self.options, observer) {
            Ok((path, place)) => {
                sources[..=place / of_source].rotate_right(1);
                if !file.unpack.is_empty() {
                    return folder::install_members(&path, self.folder, &file.unpack);
                }
                let twin = file.plain.as_ref().map(|plain| plain.name.as_str());
                return folder::install(&path, self.folder, &file.name, twin);
            }
            Err(failed) => failed,
        };
        match (&file.plain, &self.options.mirror, &failed) {
            // A mirror may have the files as somebody unpacked them.
            (Some(plain), Some(_), FetchError::Unobtainable { failures, .. })
                if failures.iter().all(|failure| failure.absent) =>
            {
                let wanted = self.wanted(&plain.name, plain.bytes, plain.sha256);
                let places = self.places(sources, &plain.name);
                match obtain(wanted, places, self.folder, self.client, self.options, observer) {
                    Ok((path, _)) => folder::install(&path, self.folder, &plain.name, Some(&file.name)),
                    Err(FetchError::Unobtainable { failures, .. })
                        if failures.iter().all(|failure| failure.absent) =>
                    {
                        Err(failed)
                    }
                    Err(error) => Err(error),
                }
            }
            _ => Err(failed),
        }
    }

    fn wanted<'a>(&'a self, name: &'a str, bytes: u64, sha256: super::Digest) -> Wanted<'a> {
        Wanted { dataset: &self.entry.name, name, bytes, sha256 }
    }

    /// A mirror may keep data sets apart in folders of their names, or have the files themselves.
    fn places(&self, sources: &[Mirror], name: &str) -> Vec<Place> {
        let folders: &[Option<&str>] = match self.options.mirror {
            Some(_) => &[Some(&self.entry.name), None],
            None => &[None],
        };
        let places =
            sources.iter().flat_map(|source| folders.iter().map(|folder| source.place(*folder, name)));
        places.collect()
    }
}
