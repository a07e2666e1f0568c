//! What docs/guide.md shows is what the program prints, as far as nothing has to be trained for it.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::Workplace;
use crate::support::commands::{commands, is_known};
use crate::support::markdown::fenced;

/// Commands whose answers depend on nothing but the files that they are given.
const ALWAYS_THE_SAME: [&str; 3] = ["plan", "schedule", "recommend"];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn guide() -> String {
    fs::read_to_string(root().join("docs/guide.md")).expect("the guide is there")
}

/// A folder with the files that the guide's commands name.
fn place() -> Workplace {
    let place = Workplace::new();
    for folder in ["experiments", "docs"] {
        fs::create_dir(place.path(folder)).unwrap();
        for entry in fs::read_dir(root().join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "toml") {
                fs::copy(&path, place.path(Path::new(folder).join(path.file_name().unwrap()))).unwrap();
            }
        }
    }
    place
}

/// What a shell would give the program.
fn unquoted(words: &[String]) -> Vec<&str> {
    words.iter().map(|word| word.trim_matches('\'')).collect()
}

#[test]
fn every_command_of_the_guide_exists_with_its_flags() {
    let shown = commands(&guide());
    assert!(shown.len() > 20, "a command stands beside every claim: {shown:?}");
    shown.iter().for_each(|words| is_known(words));
}

#[test]
fn plans_schedules_and_recommendations_of_the_guide_are_what_the_program_prints() {
    let place = place();
    let blocks = fenced(&guide());
    let mut held = 0;
    for (number, block) in blocks.iter().enumerate().filter(|(_, block)| block.language == "console") {
        let asked = commands(&block.text);
        let asked: Vec<_> =
            asked.iter().filter(|words| ALWAYS_THE_SAME.contains(&words[0].as_str())).collect();
        let printed: Vec<String> =
            asked.iter().map(|words| place.ablate(&unquoted(words)).exits(0).stdout).collect();
        let (Some(next), [printed]) = (blocks.get(number + 1), &printed[..]) else { continue };
        if next.language == "text" {
            for line in next.text.lines().filter(|line| !line.trim().is_empty()) {
                assert!(printed.contains(line), "docs/guide.md:{}: {line}\nis not in\n{printed}", next.line);
            }
            held += 1;
        }
    }
    assert!(held > 5, "only {held} answers are shown");
}

#[test]
fn every_file_that_the_guide_links_is_there() {
    let guide = guide();
    let links: Vec<&str> = guide.split("](").skip(1).filter_map(|rest| rest.split(')').next()).collect();
    assert!(links.len() > 5, "{links:?}");
    let headings: Vec<String> =
        guide.lines().filter_map(|line| line.strip_prefix("## ")).map(anchor).collect();
    for link in links {
        match link.strip_prefix('#') {
            Some(heading) => {
                assert!(headings.iter().any(|known| known == heading), "#{heading}: {headings:?}")
            }
            None => assert!(root().join("docs").join(link).exists(), "{link}"),
        }
    }
}

/// What links call a heading.
fn anchor(heading: &str) -> String {
    heading.to_lowercase().replace(' ', "-")
}
