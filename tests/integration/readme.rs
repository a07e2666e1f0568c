//! What the README shows is what the program takes.

use std::fs;
use std::path::PathBuf;

use crate::support::Workplace;
use crate::support::commands::{commands, is_known};
use crate::support::markdown::blocks;

/// Commands of the README that need neither a trained run nor the network, and end in seconds.
const OFFLINE: [&str; 5] = ["plan", "config show", "config why", "config presets", "data list"];

fn readme() -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("README.md");
    fs::read_to_string(path).expect("the README is there")
}

#[test]
fn every_toml_block_of_the_readme_is_an_experiment() {
    let blocks = blocks(&readme(), "toml");
    assert!(blocks.len() > 1, "the README shows what an experiment looks like");
    for (line, text) in blocks {
        let place = Workplace::with("x.toml", &text);
        let ran = place.ablate(&["plan", "x.toml", "--json"]);
        assert_eq!(ran.code, Some(0), "README.md:{line}:\n{}", ran.stderr);
        assert!(!ran.json()["variants"].as_array().unwrap().is_empty());
        assert_eq!(place.files(), ["x.toml"], "plan writes nothing");
    }
}

#[test]
fn every_command_of_the_readme_exists_with_its_flags() {
    let shown = commands(&readme());
    assert!(shown.len() > 8, "the README shows how the program is used: {shown:?}");
    shown.iter().for_each(|words| is_known(words));
}

#[test]
fn the_commands_that_need_no_run_do_what_the_readme_says() {
    let readme = readme();
    // The README's first experiment is the one that its commands are about.
    let place = Workplace::with("my-sweep.toml", &blocks(&readme, "toml")[0].1);
    let mut tried = 0;
    for words in commands(&readme) {
        let line = words.join(" ");
        if OFFLINE.iter().any(|name| line == *name || line.starts_with(&format!("{name} "))) {
            let words: Vec<&str> =
                words.iter().map(String::as_str).filter(|word| !word.contains("NAME")).collect();
            place.ablate(&words).exits(0);
            tried += 1;
        }
    }
    assert!(tried >= OFFLINE.len() - 1, "only {tried} commands were tried");
    assert_eq!(place.files(), ["my-sweep.toml"], "none of them writes");
}

#[test]
fn every_script_of_the_readme_is_there() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    for line in blocks(&readme(), "console").iter().flat_map(|(_, text)| text.lines()) {
        for word in line.split_whitespace().filter(|word| word.starts_with("scripts/")) {
            assert!(root.join(word).is_file(), "{word}");
        }
    }
}
