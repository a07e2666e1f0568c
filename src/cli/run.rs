//! `ablate run EXPERIMENT`: plan, write down what was asked for, train whatever is not done.
//!
//! Everything that can be wrong with the input is found before anything is written; from then on the run
//! tree says where each run stands, and the same command again goes on from there.

mod entry;
mod glob;
mod precision;
mod prepare;
pub(super) mod session;

pub(super) use entry::{Entry, make_paths_absolute};
pub(super) use precision::check_precision;
pub(super) use session::{Options, Session, require_torch, take};

use std::process::ExitCode;

use super::experiment_args::ExperimentArgs;
use super::failure::Failure;
use super::plan_left_out;
use crate::config::{Experiment, Problem, Problems};
use crate::launch::Slots;
use crate::plan::{self, Plan};
use crate::rundir::text::printable;

/// Options of `ablate run`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    experiment: ExperimentArgs,
    /// Workers at a time (runtime.jobs); 0 chooses from the cores
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
    /// Threads per worker (runtime.threads); 0 chooses from the cores
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Who starts the workers (launcher.kind)
    #[arg(long, value_name = "KIND")]
    launcher: Option<String>,
    /// Train only variants whose name matches, with * and ?; `NAME/seed-N` names one run
    #[arg(long, value_name = "GLOB")]
    only: Option<String>,
    #[command(flatten)]
    options: Options,
}

/// Plans, records, trains, reports.
pub(crate) fn exec(args: Args) -> Result<ExitCode, Failure> {
    let experiment = Experiment::load(&request(&args))?;
    let plan = Plan::build(&experiment)?;
    check_data(&experiment, &plan)?;
    let mut entries = chosen(&plan, args.only.as_deref())?;
    require_torch()?;
    let notes = check_precision(&mut entries, &|key| experiment.location(key))?;
    for warning in &plan.warnings {
        eprintln!("warning: {}", printable(warning));
    }
    if !args.options.quiet {
        print_notes(&plan);
        notes.iter().for_each(|note| eprintln!("note: {note}"));
    }

    let directory = plan.experiment_dir();
    let lock = take(&directory)?;
    let recorded = plan::record_request(&directory, &experiment, &std::env::args().collect::<Vec<_>>())
        .and_then(|()| plan::write_record(&plan));
    for warning in recorded.map_err(session::storage)? {
        eprintln!("warning: {warning}");
    }
    let runtime = &experiment.base().runtime;
    let slots = Slots::choose(runtime, plan.runs().count());
    Session { directory: &directory, slots, options: &args.options, _lock: lock }.train(&entries)
}

/// The request with the flags that stand for keys.
fn request(args: &Args) -> crate::config::Request {
    let mut request = args.experiment.request();
    let numbers = [("runtime.jobs", args.jobs), ("runtime.threads", args.threads)];
    for (key, value) in numbers {
        request.set.extend(value.map(|value| format!("{key}={value}")));
    }
    request.set.extend(args.launcher.as_ref().map(|kind| format!("launcher.kind={kind}")));
    request
}

/// Looks at every data set the plan needs, once each.
fn check_data(experiment: &Experiment, plan: &Plan) -> Result<(), Failure> {
    let mut seen: Vec<&crate::config::Data> = Vec::new();
    let mut problems = Problems(Vec::new());
    for variant in &plan.variants {
        let data = &variant.config.data;
        if seen.contains(&data) {
            continue;
        }
        seen.push(data);
        if let Err(error) = crate::data::check(data, &variant.config.runtime.data_dir) {
            let location = experiment.location("data.root").or_else(|| experiment.location("data.dataset"));
            problems.0.push(data_problem(&error).at(location).in_variant(&variant.name));
        }
    }
    Ok(problems.into_result()?)
}

/// The error with its causes; what it says to do comes last and becomes the problem's own help.
fn data_problem(error: &crate::data::Error) -> Problem {
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

/// Every run of the plan that `--only` lets through, in the plan's order.
fn chosen(plan: &Plan, only: Option<&str>) -> Result<Vec<Entry>, Failure> {
    let wanted = |entry: &Entry| {
        only.is_none_or(|pattern| {
            let variant = entry.run.variant().unwrap_or_default();
            glob::matches(pattern, variant) || glob::matches(pattern, &entry.label)
        })
    };
    let entries: Vec<Entry> = plan.runs().map(|run| Entry::planned(&run)).filter(wanted).collect();
    if entries.is_empty() {
        let names = plan.variants.iter().take(8).map(|variant| format!("\n    {}", variant.name));
        let pattern = printable(only.unwrap_or("*"));
        return Err(Failure::user(format!("--only {pattern} matches no variant of {}", plan.experiment))
            .with_help(format!(
                "the plan has {} variant{}:{}",
                plan.variants.len(),
                if plan.variants.len() == 1 { "" } else { "s" },
                names.collect::<String>()
            )));
    }
    Ok(entries)
}

/// What the plan finds odd, each sentence once.
fn print_notes(plan: &Plan) {
    if let Some(left_out) = plan_left_out::line(plan) {
        eprintln!("note: {left_out}; `ablate plan` says which and why");
    }
    let mut said: Vec<&String> = Vec::new();
    for note in plan.variants.iter().flat_map(|variant| &variant.notes) {
        if !said.contains(&note) {
            said.push(note);
            eprintln!("note: {note}");
        }
    }
}
