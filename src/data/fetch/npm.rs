//! The last resort where no host answers: the user's own `npm pack`, which knows how to reach a registry from
//! this network.
//!
//! In: a package, its exact version and an empty folder. Out: the package's archive. What is in it is verified
//! by content afterwards, as everything else is.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::catalogue::NpmPackage;
use super::job::Options;

/// Longer than any package here takes on a slow line.
const LIMIT: Duration = Duration::from_secs(900);
const TICK: Duration = Duration::from_millis(50);
/// Of what npm says, as much is shown.
const SHOWN_BYTES: u64 = 2000;

/// Runs `npm pack` in `folder`, which is empty; gives the archive it leaves, or why there is none.
pub(super) fn pack(package: &NpmPackage, folder: &Path, options: &Options) -> Result<PathBuf, String> {
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
