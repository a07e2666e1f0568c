//! Run trees that somebody else made: links out of the tree, pipes that nobody writes, names that are commands to a
//! terminal, files without end. Every command ends, changes nothing outside and prints nothing but text.

mod tree;

use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::process::Command;

use crate::support::canary::copy;
use crate::support::tier::Tier;
use tree::Tree;

/// Every name under which the program reads or writes.
const FILES: [&str; 23] = [
    "config.toml",
    "status.json",
    "metrics.csv",
    "timing.csv",
    "eval.csv",
    "levels.csv",
    "images.csv",
    "execution.json",
    "provenance.json",
    "log.jsonl",
    "stdout.log",
    "stderr.log",
    ".lock",
    ".status.json.tmp",
    "checkpoints/step-00000008/manifest.json",
    "checkpoints/step-00000008/model.safetensors",
    "checkpoints/step-00000008/progress.json",
    "samples/step-00000012.png",
    "tensorboard/events.out.tfevents.0000000001.ablate",
    "tensorboard/.events.tmp",
    "x/plan.json",
    "x/summary.csv",
    "x/.lock",
];
const FOLDERS: [&str; 11] = [
    ".",
    "..",
    "checkpoints",
    "checkpoints/step-00000008",
    "checkpoints/.tmp-step-00000012",
    "samples",
    "tensorboard",
    "evals",
    "x/request",
    "x/.request-new",
    "data/cache",
];

/// All cases, or every third one where time is short.
fn some<'a>(
    cases: impl Iterator<Item = &'a &'static str>,
) -> impl Iterator<Item = (usize, &'a &'static str)> {
    let all = Tier::asked() == Tier::Full;
    cases.enumerate().filter(move |(turn, _)| all || turn % 3 == 0)
}

#[test]
fn links_in_every_place_lead_nowhere() {
    for (turn, name) in some(FOLDERS.iter().chain(&FILES)) {
        let tree = Tree::new();
        let outside = tree.outside(name);
        // A file that is not there yet would be made through the link.
        let target = if outside.exists() { outside } else { tree.canary.path("new") };
        symlink(target, tree.clear(name)).unwrap();
        tree.endure(&format!("a link as {name}"), turn);
    }
}

#[test]
fn a_file_that_has_another_name_outside_is_not_written_through() {
    let appended = [
        "metrics.csv",
        "timing.csv",
        "eval.csv",
        "levels.csv",
        "images.csv",
        ".lock",
        "x/.lock",
        "log.jsonl",
    ];
    for (turn, name) in appended.into_iter().chain(["stdout.log", "stderr.log", "status.json"]).enumerate() {
        let tree = Tree::new();
        let outside = tree.outside(name);
        if !outside.exists() {
            fs::write(&outside, "").unwrap();
        }
        fs::hard_link(outside, tree.clear(name)).unwrap();
        tree.endure(&format!("a second name of {name}"), turn);
    }
}

#[test]
fn pipes_in_every_place_are_waited_for_by_nobody() {
    for (turn, name) in some(FILES.iter().chain(&FOLDERS[2..])) {
        let tree = Tree::new();
        let made = Command::new("mkfifo").arg(tree.clear(name)).status();
        if !made.is_ok_and(|status| status.success()) {
            return eprintln!("skipped: no mkfifo(1) here");
        }
        tree.endure(&format!("a pipe as {name}"), turn);
    }
}

#[test]
fn folders_and_sockets_where_files_should_be_are_reported() {
    for (turn, name) in some(FILES.iter()) {
        let tree = Tree::new();
        let path = tree.clear(name);
        fs::create_dir(&path).unwrap();
        fs::write(path.join("inside"), "x").unwrap();
        tree.endure(&format!("a folder as {name}"), turn);
    }
    for (turn, name) in ["status.json", "metrics.csv", ".lock", "x/plan.json"].into_iter().enumerate() {
        let tree = Tree::new();
        // The path of a socket must be short.
        let Ok(_listening) = UnixListener::bind(tree.clear(name)) else {
            return eprintln!("skipped: no socket can be made there");
        };
        tree.endure(&format!("a socket as {name}"), turn);
    }
}

#[test]
fn files_of_a_terabyte_of_nothing_are_not_read_to_their_end() {
    let names =
        ["status.json", "metrics.csv", "eval.csv", "config.toml", "log.jsonl", "stderr.log", "x/plan.json"];
    let checkpoint =
        ["checkpoints/step-00000008/manifest.json", "checkpoints/step-00000008/model.safetensors"];
    for (turn, name) in names.into_iter().chain(checkpoint).enumerate() {
        let tree = Tree::new();
        let opened = File::options().write(true).create(true).truncate(false).open(tree.at(name)).unwrap();
        if opened.set_len(1 << 40).is_err() {
            return eprintln!("skipped: no file of a terabyte can be made here");
        }
        tree.endure(&format!("a terabyte in {name}"), turn);
    }
}

#[test]
fn names_that_are_commands_to_a_terminal_or_lead_elsewhere_are_shown_as_text() {
    let long = "l".repeat(255);
    let names: [&[u8]; 8] = [
        b"\x1b[2J\x1b]0;title\x07-1",
        b"two\nlines-1",
        b"<script>alert(1)<script>-1",
        b"caf\xe9-1",
        long.as_bytes(),
        "right\u{202e}left-1".as_bytes(),
        b"..-1",
        b"-rf",
    ];
    for (turn, name) in names.into_iter().enumerate() {
        let tree = Tree::new();
        let name = std::ffi::OsStr::from_bytes(name);
        // A variant and a run under this name, and an experiment.
        copy(&tree.at("."), &tree.at("..").join(name));
        copy(&tree.at(".."), &tree.place.path("elsewhere").join(name));
        fs::rename(tree.place.path("elsewhere").join(name), tree.at("x/.").join(name)).unwrap();
        fs::create_dir_all(tree.place.path("runs").join(name).join("a-1/seed-0")).unwrap();
        tree.endure(&format!("a folder named {name:?}"), turn);
    }
}

/// What is forged, and how.
type Forgery = (&'static str, fn(&Tree));

#[test]
fn files_that_name_what_lies_elsewhere_lead_nowhere() {
    let forged: [Forgery; 6] = [
        ("a plan with paths as names", |tree| {
            let canary = tree.canary.path("copy").display().to_string();
            let names =
                [format!("../../../..{canary}-1"), "../../canary-1".into(), "\u{1b}[31m\n-1".into(), canary];
            let variants = names.map(|name| {
                serde_json::json!({"name": name, "id": "1", "seeds": [0], "asked": true,
                                   "overrides": {"\u{1b}[2J": "\u{9b}31m"}})
            });
            let plan = serde_json::json!({"format": 1, "experiment": "../..", "variants": variants});
            fs::write(tree.at("x/plan.json"), plan.to_string()).unwrap();
        }),
        ("a configuration with folders elsewhere", |tree| {
            let (path, canary) = (tree.at("config.toml"), tree.canary.path("empty"));
            let config = fs::read_to_string(&path).unwrap();
            let lines = config.lines().map(|line| match line.split_once(" = ") {
                Some((key @ ("runs_dir" | "data_dir"), _)) => format!("{key} = {canary:?}"),
                _ => line.to_owned(),
            });
            fs::write(&path, lines.collect::<Vec<_>>().join("\n")).unwrap();
        }),
        ("a status that aims at the terminal", |tree| {
            let status = serde_json::json!({"format": 1, "state": "failed", "attempt": u32::MAX, "step": u64::MAX,
                "total_steps": 1, "pid": u32::MAX, "host": "\u{1b}[2J", "boot_id": "\n", "loss": 1e308,
                "images_per_second": 1e-300, "updated": "2026-01-02T03:04:05Z", "exact": false,
                "error": "a\u{1b}]0;x\u{7}b\r\nc\u{202e}d", "inexact_reason": "\u{9b}1m"});
            fs::write(tree.at("status.json"), status.to_string()).unwrap();
        }),
        ("rows that aim at the terminal", |tree| {
            let rows = "step,weights,\u{1b}[31mloss,denoise_score\n4,ema\u{1b}[2J,1,\u{7}\n\u{1b},raw,1,1\n";
            fs::write(tree.at("eval.csv"), rows).unwrap();
            fs::write(tree.at("metrics.csv"), rows).unwrap();
            fs::write(tree.at("stderr.log"), "error: \u{1b}[2J\n").unwrap();
        }),
        ("a manifest that names a file elsewhere", |tree| {
            let path = tree.at("checkpoints/step-00000008/manifest.json");
            let text = fs::read_to_string(&path).unwrap().replace("\"model.safetensors\"", "\"../x\"");
            fs::write(tree.at("checkpoints/x"), "x").unwrap();
            fs::write(&path, sealed(&text)).unwrap();
        }),
        ("a manifest of another owner with marks beyond the logs", |tree| {
            let path = tree.at("checkpoints/step-00000008/manifest.json");
            let text = fs::read_to_string(&path).unwrap();
            let mut manifest: serde_json::Value = serde_json::from_str(&text).unwrap();
            manifest["run_id"] = "\u{1b}[2J".into();
            manifest["logs"]["metrics.csv"]["bytes"] = u64::MAX.into();
            manifest["logs"]["../../x"] = manifest["logs"]["metrics.csv"].clone();
            manifest["files"]["model.safetensors"]["bytes"] = u64::MAX.into();
            fs::write(&path, sealed(&serde_json::to_string_pretty(&manifest).unwrap())).unwrap();
        }),
    ];
    for (turn, (case, forge)) in forged.into_iter().enumerate() {
        let tree = Tree::new();
        forge(&tree);
        tree.endure(case, turn);
    }
}

/// The manifest with the hash of its own content, as whoever forges one would write it.
fn sealed(text: &str) -> String {
    let manifest: serde_json::Value = serde_json::from_str(text).unwrap();
    let (old, blank) = (manifest["blake3"].as_str().unwrap(), "0".repeat(64));
    let text = text.replace(old, &blank);
    text.replace(&blank, blake3::hash(text.as_bytes()).to_hex().as_str())
}
