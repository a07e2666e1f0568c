//! The images of a plan, before anything is started.
//!
//! In: a plan. Out: nothing, or what is wrong with the data. First files and headers, then the images
//! themselves: decoded here, once for all workers, so that an unusable file is found before a run has begun.

use std::time::{Duration, Instant};

use crate::cli::failure::Failure;
use crate::cli::output::say;
use crate::config::{Experiment, Problem, Problems};
use crate::data::{self, Error};
use crate::plan::{Plan, Variant};

/// How often a long decoding says how far it is.
const SAY_EVERY: Duration = Duration::from_secs(10);

/// Looks at every data set the plan needs, once each: whether its files are there. Writes nothing.
pub(super) fn check(experiment: &Experiment, plan: &Plan) -> Result<(), Failure> {
    each(experiment, plan, |variant| data::check(&variant.config.data, &variant.config.runtime.data_dir))
}

/// Decodes what no run has decoded yet, and says what the user should know about the images.
pub(super) fn prepare(experiment: &Experiment, plan: &Plan, quiet: bool) -> Result<(), Failure> {
    let mut said = Vec::new();
    each(experiment, plan, |variant| {
        let config = &variant.config;
        let mut last = Instant::now();
        let mut report = |done: usize, of: usize| {
            if !quiet && last.elapsed() > SAY_EVERY {
                last = Instant::now();
                say(format_args!("decoding the images of {}: {done} of {of}", config.data.dataset.name()));
            }
        };
        let opened = data::open_reporting(&config.data, &config.runtime.data_dir, &mut report)?;
        for note in opened.notes {
            if !quiet && !said.contains(&note) {
                say(format_args!("note: {note}"));
                said.push(note);
            }
        }
        Ok(())
    })
}

/// Calls `look` once for each different `[data]` and reports all problems together.
fn each(
    experiment: &Experiment,
    plan: &Plan,
    mut look: impl FnMut(&Variant) -> Result<(), Error>,
) -> Result<(), Failure> {
    let mut seen: Vec<&crate::config::Data> = Vec::new();
    let mut problems = Problems(Vec::new());
    for variant in &plan.variants {
        let data = &variant.config.data;
        if seen.contains(&data) {
            continue;
        }
        seen.push(data);
        if let Err(error) = look(variant) {
            let location = experiment.location("data.root").or_else(|| experiment.location("data.dataset"));
            problems.0.push(problem(&error).at(location).in_variant(&variant.name));
        }
    }
    Ok(problems.into_result()?)
}

/// The error with its causes; what it says to do comes last and becomes the problem's own help.
fn problem(error: &Error) -> Problem {
    let mut message = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        message.push_str(&format!(": {error}"));
        cause = error.source();
    }
    match message.split_once("\n  help: ") {
        Some((message, help)) => Problem::new(message.replace("\n  ", "\n")).with_help(help),
        None => Problem::new(message),
    }
}
