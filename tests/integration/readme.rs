//! What the README and `experiments/` show is what the program takes.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::Workplace;

fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The contents of fenced blocks of a language, each with the line it begins at.
fn blocks(markdown: &str, language: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (number, line) in markdown.lines().enumerate() {
        match &mut open {
            Some(block) if line.trim() == "```" => {
                found.push(std::mem::take(block));
                open = None;
            }
            Some((_, text)) => {
                text.push_str(line);
                text.push('\n');
            }
            None if line.trim() == format!("```{language}") => open = Some((number + 1, String::new())),
            None => {}
        }
    }
    assert!(open.is_none(), "a block is never closed");
    found
}

/// Plans a file as a user would, without a word of complaint.
fn plans(path: &Path) {
    let place = Workplace::new();
    let ran = place.ablate(&["plan", path.to_str().unwrap(), "--json"]);
    assert_eq!(ran.code, Some(0), "{}:\n{}", path.display(), ran.stderr);
    assert!(!ran.json()["variants"].as_array().unwrap().is_empty());
    assert_eq!(place.files(), [""; 0], "plan writes nothing");
}

#[test]
fn every_toml_block_of_the_readme_is_an_experiment() {
    let readme = fs::read_to_string(repository().join("README.md")).expect("the README is there");
    let blocks = blocks(&readme, "toml");
    assert!(!blocks.is_empty(), "the README shows what an experiment looks like");
    for (line, text) in blocks {
        let place = Workplace::with(&format!("readme-{line}.toml"), &text);
        plans(&place.path(format!("readme-{line}.toml")));
    }
}

#[test]
fn every_file_in_experiments_plans() {
    let entries = fs::read_dir(repository().join("experiments")).expect("the folder is there");
    let paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    let files: Vec<&PathBuf> =
        paths.iter().filter(|path| path.extension().is_some_and(|extension| extension == "toml")).collect();
    assert!(files.iter().any(|path| path.ends_with("quickstart.toml")), "{files:?}");
    files.into_iter().for_each(|path| plans(path));
}
