//! A few seconds of what `scripts/fuzz` does for minutes: the same functions over seeds with random changes.

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

/// Words that changes put in: what the formats and the keys are made of.
const WORDS: &[&str] = &[
    "[",
    "]",
    "{",
    "}",
    "\"",
    "'",
    "\"\"\"",
    "=",
    ".",
    ",",
    ":",
    "\n",
    "#",
    "\\u0000",
    "\u{1b}",
    "\u{202e}",
    "é",
    "-",
    "0",
    "1e400",
    "-1",
    "nan",
    "inf",
    "18446744073709551616",
    "9223372036854775807",
    "true",
    "null",
    "1e-5",
    "[[",
    "sweep",
    "[sweep.grid]\n",
    "[[sweep.zip]]\n",
    "[[sweep.exclude]]\n",
    "when",
    "extends",
    "preset",
    "model.dropout",
    "training.steps",
    "training.epochs",
    "model.channel_multipliers",
    "data.image_size",
    "../",
    "step",
    "raw",
    "ema-0.9",
];

/// One change of a seed: where, how much, and which word or other seed comes in.
#[derive(Debug, Clone)]
enum Change {
    Cut { at: usize, length: usize },
    Repeat { at: usize, length: usize, times: usize },
    Word { at: usize, word: usize },
    Byte { at: usize, byte: u8 },
    Splice { at: usize, other: usize, from: usize, length: usize },
}

fn change() -> impl Strategy<Value = Change> {
    let place = 0..usize::MAX;
    prop_oneof![
        (place.clone(), 0..64_usize).prop_map(|(at, length)| Change::Cut { at, length }),
        (place.clone(), 1..200_usize, 1..40_usize).prop_map(|(at, length, times)| Change::Repeat {
            at,
            length,
            times
        }),
        (place.clone(), place.clone()).prop_map(|(at, word)| Change::Word { at, word }),
        (place.clone(), any::<u8>()).prop_map(|(at, byte)| Change::Byte { at, byte }),
        (place.clone(), place.clone(), place, 1..400_usize)
            .prop_map(|(at, other, from, length)| Change::Splice { at, other, from, length }),
    ]
}

fn part(bytes: &[u8], at: usize, length: usize) -> std::ops::Range<usize> {
    let start = at % (bytes.len() + 1);
    start..(start + length).min(bytes.len())
}

fn changed(seeds: &[Vec<u8>], seed: usize, changes: &[Change]) -> Vec<u8> {
    let mut bytes = seeds[seed % seeds.len()].clone();
    for change in changes {
        match *change {
            Change::Cut { at, length } => drop(bytes.drain(part(&bytes, at, length))),
            Change::Repeat { at, length, times } => {
                let range = part(&bytes, at, length);
                let text = bytes[range.clone()].repeat(times);
                bytes.splice(range, text);
            }
            Change::Word { at, word } => {
                let at = at % (bytes.len() + 1);
                bytes.splice(at..at, WORDS[word % WORDS.len()].bytes());
            }
            Change::Byte { at, byte } => {
                let range = part(&bytes, at, 1);
                bytes.splice(range, [byte]);
            }
            Change::Splice { at, other, from, length } => {
                let other = &seeds[other % seeds.len()];
                let text = other[part(other, from, length)].to_vec();
                let at = at % (bytes.len() + 1);
                bytes.splice(at..at, text);
            }
        }
    }
    bytes
}

/// Every file of a folder of the repository, in the order of names.
fn files(folder: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut paths: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.is_file());
    paths.sort();
    paths.into_iter().map(|path| fs::read(path).unwrap()).collect()
}

/// As many changed seeds as the tier has time for; the first ones are the seeds themselves.
fn sample(target: fn(&[u8]), seeds: &[Vec<u8>], standard: u32) {
    assert!(seeds.len() > 2, "the seeds are not where this test looks for them");
    seeds.iter().for_each(|seed| target(seed));
    let cases = match std::env::var("ABLATE_TEST_TIER").as_deref() {
        Ok("quick") => standard / 10,
        Ok("full") => 10 * standard,
        _ => standard,
    };
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    // The same inputs every time: new ones are for scripts/fuzz.
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let strategy = (0..seeds.len(), prop::collection::vec(change(), 1..8));
    let tried = runner.run(&strategy, |(seed, changes)| {
        target(&changed(seeds, seed, &changes));
        Ok(())
    });
    tried.unwrap_or_else(|failure| panic!("{failure}"));
}

#[test]
fn changed_experiments_are_planned_or_refused() {
    let mut seeds = files("experiments");
    seeds.extend(files("tests/fuzz/seeds/experiment"));
    seeds.extend(files("src/config/presets"));
    sample(super::experiment, &seeds, 3_000);
}

#[test]
fn changed_settings_are_taken_or_refused() {
    sample(super::setting, &files("tests/fuzz/seeds/setting"), 4_000);
}

#[test]
fn changed_manifests_are_read_or_refused() {
    sample(super::manifest, &files("tests/fuzz/seeds/manifest"), 20_000);
}

#[test]
fn changed_csv_files_lose_rows_and_nothing_else() {
    sample(super::csv, &files("tests/fuzz/seeds/csv"), 20_000);
}
