//! The last resort where no host answers: the user's own `npm pack`, which knows how to reach a registry from
//! this network.
//!
//! In: a package with its exact version, and the files that are missing. Out: their plain forms in the data
//! set's folder, verified by content as everything else is.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::catalogue::{Member, NpmPackage, PlainFile, PublishedFile};
use super::error::FetchError;
use super::folder;
use super::job::Options;
use super::observer::{Event, Observer};
use super::partial::Partial;
use super::unpack::unpack;

/// Longer than any package here takes on a slow line.
const LIMIT: Duration = Duration::from_secs(900);
const TICK: Duration = Duration::from_millis(50);
/// Of what npm says, as much is shown.
const SHOWN_BYTES: u64 = 2000;

/// Takes the plain forms of `files` out of a package. The inner error is the package's, the outer one the
/// disk's or the user's.
pub(super) fn bring(
    package: &NpmPackage,
    files: &[&PublishedFile],
    folder: &Path,
    options: &Options,
    observer: &mut dyn Observer,
) -> Result<Result<(), String>, FetchError> {
    let plain: Option<Vec<&PlainFile>> = files.iter().map(|file| file.plain.as_ref()).collect();
    let Some(plain) = plain else { return Ok(Err("it does not have every file".to_owned())) };
    folder::check_room(folder, 2 * plain.iter().map(|file| file.bytes).sum::<u64>())?;
    let [packed, unpacked] = [folder::temporary_folder(folder)?, folder::temporary_folder(folder)?];
    let archive = match pack(package, packed.path(), options) {
        Ok(archive) => archive,
        Err(_) if options.is_interrupted() => {
            let file = files[0];
            return Err(FetchError::Interrupted { file: file.name.clone(), at: 0, bytes: file.bytes });
        }
        Err(reason) => return Ok(Err(reason)),
    };
    let path = |file: &PlainFile| format!("{}/{}", package.folder, file.name);
    let members: Vec<Member> =
        plain.iter().map(|file| Member { path: path(file), bytes: file.bytes }).collect();
    let digests = match unpack(&archive, &members, unpacked.path()) {
        Ok(digests) => digests,
        Err(FetchError::Archive { reason, .. }) => return Ok(Err(format!("its archive {reason}"))),
        Err(error) => return Err(error),
    };
    if let Some((PlainFile { name, sha256, .. }, found)) =
        plain.iter().zip(&digests).find(|(file, found)| file.sha256 != **found)
    {
        return Ok(Err(format!("its {name} has other content: SHA-256 {found} instead of {sha256}")));
    }
    for ((published, file), member) in files.iter().zip(&plain).zip(&members) {
        let from = unpacked.path().join(&member.path);
        folder::install(&from, folder, &file.name, Some(&published.name))?;
        folder::remove_if_there(&Partial::path_of(folder, &published.name))?;
        observer.notice(Event::Verified { file: &file.name });
    }
    Ok(Ok(()))
}

/// Runs `npm pack` in `folder`, which is empty; gives the archive it leaves, or why there is none.
fn pack(package: &NpmPackage, folder: &Path, options: &Options) -> Result<PathBuf, String> {
    let log = folder.join("npm.log");
    let said = File::create(&log).map_err(|error| format!("cannot write {}: {error}", log.display()))?;
    let child = Command::new(&options.npm)
        .args(["pack", "--ignore-scripts", "--loglevel=error"])
        .arg(format!("{}@{}", package.package, package.version))
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(said)
        .spawn();
    let child = child.map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => "npm is not installed".to_owned(),
        _ => format!("npm cannot be started: {error}"),
    })?;
    wait(child, options).map_err(|reason| match first_line(&log) {
        Some(line) => format!("{reason}: {line}"),
        None => reason,
    })?;
    let entries = fs::read_dir(folder).map_err(|error| format!("cannot list its folder: {error}"))?;
    let mut paths = entries.flatten().map(|entry| entry.path());
    paths
        .find(|path| path.extension().is_some_and(|extension| extension == "tgz"))
        .ok_or_else(|| "npm left no archive".to_owned())
}

fn wait(mut child: Child, options: &Options) -> Result<(), String> {
    let begun = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(status)) if status.success() => return Ok(()),
            Ok(Some(status)) => return Err(format!("npm pack failed ({status})")),
            Ok(None) if options.is_interrupted() || begun.elapsed() > LIMIT => {
                // It may have ended just now.
                let _ = child.kill();
                let _ = child.wait();
                return Err("npm pack was stopped".to_owned());
            }
            Ok(None) => std::thread::sleep(TICK),
            Err(error) => return Err(format!("cannot wait for npm: {error}")),
        }
    }
}

fn first_line(log: &Path) -> Option<String> {
    let mut text = Vec::new();
    File::open(log).ok()?.take(SHOWN_BYTES).read_to_end(&mut text).ok()?;
    let text = String::from_utf8_lossy(&text).into_owned();
    let line = text.lines().map(str::trim).find(|line| !line.is_empty())?;
    Some(line.chars().filter(|c| !c.is_control()).collect())
}
