//! A disk that fills up: the message names the path, and once there is room the same command ends as if nothing had
//! been.
//!
//! The disk is a file system in memory of a given size, mounted in a name space of its own. Where that is not
//! allowed, the tests say that they were skipped.

use std::fs::OpenOptions;
use std::process::Command;

use crate::support::kills::{RUN, reference};
use crate::support::tier::Tier;
use crate::support::training::{only_run, tiny};
use crate::support::{Ran, Workplace};

/// Mounts, runs, makes room, runs again; what was on the disk is copied to where it can be looked at.
const SCRIPT: &str = r#"
folder=$1 options=$2 program=$3
shift 3
mkdir -p "$folder" && mount -t tmpfs -o "$options" tmpfs "$folder" || exit 99
"$program" "$@" >first.out 2>first.err; echo $? >first.code
mount -o remount,size=256m,nr_inodes=100k "$folder"
"$program" "$@" >second.out 2>second.err; echo $? >second.code
cp -a "$folder" "$folder.kept"
"#;

/// Why no small disk can be had here; `None` where one can.
fn missing() -> Option<String> {
    let place = Workplace::new();
    let folder = place.path("");
    match mounting(&place, &["disk", "size=1m", "true"]).current_dir(folder).output() {
        Err(error) => Some(format!("unshare cannot be started: {error}")),
        Ok(output) if output.status.success() => None,
        Ok(output) => {
            Some(format!("no file system can be mounted: {}", String::from_utf8_lossy(&output.stderr).trim()))
        }
    }
}

fn mounting(place: &Workplace, arguments: &[&str]) -> Command {
    let cleaned = place.command(&[]);
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "--mount", "sh", "-c", SCRIPT, "sh"]).args(arguments);
    command.current_dir(place.path(""));
    for (name, value) in cleaned.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command
}

/// Trains on a disk of this size mounted over a folder, and again after it has grown. Returns how the two ended.
fn fill(place: &Workplace, folder: &str, options: &str) -> (Ran, Ran) {
    let arguments = [&[folder, options, env!("CARGO_BIN_EXE_ablate")], RUN].concat();
    let output = mounting(place, &arguments).output().unwrap();
    assert!(output.status.success(), "{options}: {}", String::from_utf8_lossy(&output.stderr));
    let ran = |which: &str| Ran {
        code: place.read(format!("{which}.code")).trim().parse().ok(),
        stdout: place.read(format!("{which}.out")),
        stderr: place.read(format!("{which}.err")),
    };
    (ran("first"), ran("second"))
}

/// Bytes and entries that are too few for one training, and some that are enough.
fn sizes() -> Vec<String> {
    let bytes = (1..=16).map(|n| format!("size={}k", 90 * n));
    let entries = [5, 9, 14, 20].map(|n| format!("size=64m,nr_inodes={n}"));
    let all: Vec<String> = bytes.chain(entries).collect();
    let stride = Tier::asked().pick(20, 6, 1);
    all.into_iter().skip(stride / 2).step_by(stride).collect()
}

#[test]
fn a_full_disk_is_named_and_costs_nothing_once_there_is_room() {
    if let Some(reason) = missing() {
        eprintln!("skipped: a full disk: {reason}");
        return;
    }
    let (sizes, mut filled) = (sizes(), 0);
    for options in &sizes {
        let place = tiny("");
        let (first, second) = fill(&place, "runs", options);
        if first.code != Some(0) {
            filled += 1;
            let text = &first.stderr;
            assert_eq!(first.code, Some(74), "{options}: {text}");
            assert!(text.contains("runs/x") && !text.contains("panicked"), "{options}: {text}");
        }
        assert_eq!(second.code, Some(0), "{options}: {}", second.stderr);
        std::fs::remove_dir(place.path("runs")).unwrap();
        std::fs::rename(place.path("runs.kept"), place.path("runs")).unwrap();
        let run = only_run(&place);
        assert_eq!(run.state(), "done", "{options}");
        run.assert_equals(&reference().bytes, options);
    }
    assert!(2 * filled >= sizes.len(), "{filled} of {} disks were too small", sizes.len());
    eprintln!(
        "T7: {} sizes of the runs' disk, {filled} too small, all bytes equal once there was room",
        sizes.len()
    );
}

#[test]
fn words_that_cannot_be_kept_cost_no_training() {
    let full = || OpenOptions::new().write(true).open("/dev/full");
    if let Err(error) = full() {
        eprintln!("skipped: words that cannot be kept: /dev/full: {error}");
        return;
    }
    let place = tiny("");
    let status = place.command(RUN).stdout(full().unwrap()).stderr(full().unwrap()).status().unwrap();
    assert_eq!(status.code(), Some(0));
    only_run(&place).assert_equals(&reference().bytes, "words on a full disk");
    let status = place.command(&["run", "no-such.toml"]).stderr(full().unwrap()).status().unwrap();
    assert_eq!(status.code(), Some(2), "the exit code is not lost with the words");
}

#[test]
fn a_full_disk_below_the_data_costs_only_the_cache() {
    if let Some(reason) = missing() {
        eprintln!("skipped: a full disk below the data: {reason}");
        return;
    }
    let sizes = ["size=8k", "size=400k", "size=800k", "size=64m,nr_inodes=2"];
    let sizes = &sizes[..Tier::asked().pick(1, 2, 4)];
    for options in sizes {
        let place = tiny("");
        let (first, second) = fill(&place, "data", options);
        assert_eq!(first.code, Some(0), "{options}: {}", first.stderr);
        assert!(first.stderr.contains("no image cache in "), "{options}: {}", first.stderr);
        assert_eq!(second.code, Some(0), "{options}: {}", second.stderr);
        only_run(&place).assert_equals(&reference().bytes, options);
    }
    eprintln!("T7: {} sizes of the data's disk, all bytes equal", sizes.len());
}
