//! Sample grids side by side: which there are, and as many of them as a page has room for.
//!
//! In: the run folders. Out: [`Samples`]. A file embeds thumbnails, the last steps of all runs first, until its budget
//! is used up; a live page asks for each picture when it shows it.

use std::collections::BTreeSet;
use std::fs;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use super::document::{Target, key_of};
use super::thumbnail::{Picture, read_thumbnail};
use crate::guard::{self, printable};
use crate::report::load::{Loaded, RunRow};
use crate::rundir::layout::parse_step;

/// Steps that a file shows; more would be ever smaller parts of the budget.
const STEPS: usize = 6;

/// Every grid that can be shown.
#[derive(Debug, Default, Serialize)]
pub(super) struct Samples {
    items: Vec<Sample>,
    /// Grids on the disk that a file has no room for.
    left_out: usize,
    /// Grids that are no pictures or cannot be read.
    #[serde(skip)]
    pub(super) notes: Vec<String>,
}

/// One grid.
#[derive(Debug, Serialize)]
struct Sample {
    /// The variant's place.
    variant: usize,
    seed: u64,
    step: u64,
    /// Where the picture is: data, or a request to the server.
    source: String,
    /// Of the file, where it was read.
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<(u32, u32)>,
}

/// Finds the grids and embeds what fits in `budget` bytes.
pub(super) fn samples(loaded: &Loaded, target: Target, budget: usize) -> Samples {
    let mut found: Vec<(usize, &RunRow, u64)> = Vec::new();
    for (place, variant) in loaded.variants.iter().enumerate() {
        for run in variant.runs.iter().filter(|run| run.found) {
            found.extend(steps(run).into_iter().map(|step| (place, run, step)));
        }
    }
    match target {
        Target::Live => {
            let items = found.into_iter().map(|(variant, run, step)| {
                let key = key_of(&loaded.variants[variant].label);
                let source = format!("sample?variant={key}&seed={}&step={step}", run.seed);
                Sample { variant, seed: run.seed, step, source, size: None }
            });
            Samples { items: items.collect(), ..Samples::default() }
        }
        Target::File => embedded(loaded, &found, budget),
    }
}

fn embedded(loaded: &Loaded, found: &[(usize, &RunRow, u64)], budget: usize) -> Samples {
    let mut samples = Samples::default();
    let mut room = budget;
    let of_step = |step: u64| found.iter().filter(move |(_, _, of)| *of == step);
    for &(variant, run, step) in chosen_steps(found).into_iter().flat_map(of_step) {
        match read_thumbnail(&run.dir, step) {
            Ok(picture) => {
                let source = data_address(&picture);
                // What comes later matters less, and all of it is about as large.
                let Some(left) = room.checked_sub(source.len()) else { break };
                room = left;
                samples.items.push(Sample {
                    variant,
                    seed: run.seed,
                    step,
                    source,
                    size: Some(picture.size),
                });
            }
            Err(error) => {
                let label = &loaded.variants[variant].label;
                let note =
                    format!("left out the samples of {label} seed {} at step {step}: {error}", run.seed);
                samples.notes.push(printable(&note));
            }
        }
    }
    samples.left_out = found.len() - samples.items.len() - samples.notes.len();
    samples
}

fn data_address(picture: &Picture) -> String {
    format!("data:{};base64,{}", picture.media_type, STANDARD.encode(&picture.bytes))
}

/// The last step, then others evenly from late to early: where runs end is what is compared first.
fn chosen_steps(found: &[(usize, &RunRow, u64)]) -> Vec<u64> {
    let steps: BTreeSet<u64> = found.iter().map(|(_, _, step)| *step).collect();
    let falling: Vec<u64> = steps.into_iter().rev().collect();
    if falling.len() <= STEPS {
        return falling;
    }
    (0..STEPS).map(|at| falling[at * (falling.len() - 1) / (STEPS - 1)]).collect()
}

/// Steps with a grid, rising. A folder that is a link holds none of ours.
fn steps(run: &RunRow) -> Vec<u64> {
    let folder = run.dir.samples_path();
    if guard::is_link(&folder) {
        return Vec::new();
    }
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let steps = entries.filter_map(|entry| parse_step(entry.file_name().to_str()?.strip_suffix(".png")?));
    let mut steps: Vec<u64> = steps.collect();
    steps.sort_unstable();
    steps
}
