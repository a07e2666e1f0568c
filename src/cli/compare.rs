//! `ablate compare [DIR…]`: which variant was best, by how much, and whether that is more than chance.

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::failure::Failure;
use super::output::print;
use crate::guard::printable;
use crate::report::compare::{self, CompareError, Query};
use crate::report::format::{self, Format};
use crate::report::load;
use crate::report::metric::{DEFAULT_METRIC, Log, Metric};
use crate::report::point::{At, Weights};

/// Columns of a table that no terminal shows.
const WIDTH: u16 = 100;

const NO_RUNS_HELP: &str = "train some with `ablate run EXPERIMENT`, or name the folder they are in";

/// Arguments of `ablate compare`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Runs, variants, experiments or folders of experiments.
    #[arg(value_name = "DIR", default_value = "runs")]
    folders: Vec<PathBuf>,

    /// A column of eval.csv or metrics.csv, and which direction is better; a bare `loss` is the training
    /// loss, `eval.loss` the held-out one.
    #[arg(long, value_name = "NAME[:min|max]", default_value = DEFAULT_METRIC)]
    metric: Metric,

    /// Where in training: `last` (the default once every run has ended), `common` (the greatest step that
    /// all have reached; the default until then), `best` or `step=N`.
    #[arg(long, value_name = "best|last|common|step=N")]
    at: Option<At>,

    /// Which weights held-out metrics were measured on; `ema` is the first moving average [default: ema].
    #[arg(long, value_name = "ema|ema-DECAY|raw")]
    weights: Option<Weights>,

    /// How to print.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Loads, compares, prints.
pub(crate) fn exec(args: Args) -> Result<ExitCode, Failure> {
    if args.metric.log == Log::Metrics && args.weights.is_some() {
        let name = &args.metric.name;
        return Err(Failure::user(format!(
            "--weights does not apply to {name}, which is measured in training"
        ))
        .with_help("held-out metrics are those of eval.csv, such as denoise_score or eval.loss"));
    }
    let loaded = load::load(&args.folders, args.metric.log)
        .map_err(|error| Failure::user(printable(&error.to_string())).with_help(NO_RUNS_HELP))?;
    if loaded.variants.is_empty() {
        for note in &loaded.notes {
            super::output::note(note);
        }
        let places: Vec<String> = args.folders.iter().map(|dir| dir.display().to_string()).collect();
        return Err(failure(&CompareError::NoRuns { places: places.join(", ") }));
    }
    let query = Query { at: args.at, weights: args.weights.unwrap_or_default(), ..Query::of(args.metric) };
    let comparison = compare::compare(&loaded, &query).map_err(|error| failure(&error))?;
    if !args.format.has_prose() {
        super::output::say(format::prose(&comparison).trim());
    }
    print(&format::render(&comparison, args.format, width()))?;
    Ok(ExitCode::SUCCESS)
}

/// The table that ends `ablate run`: the default metric over one experiment, or why there is none.
pub(crate) fn default_table(experiment: &Path) -> String {
    let metric: Metric = DEFAULT_METRIC.parse().expect("the default metric is well formed");
    let query = Query::of(metric);
    let loaded = match load::load(&[experiment.to_path_buf()], query.metric.log) {
        Ok(loaded) => loaded,
        Err(error) => return format!("note: no comparison: {}\n", printable(&error.to_string())),
    };
    match compare::compare(&loaded, &query) {
        Ok(comparison) => format::render(&comparison, Format::Table, width()),
        Err(error) => format!("note: no comparison: {}\n", printable(&error.to_string())),
    }
}

fn width() -> u16 {
    let shown = if io::stdout().is_terminal() { comfy_table::Table::new().width() } else { None };
    shown.unwrap_or(WIDTH)
}

fn failure(error: &CompareError) -> Failure {
    let failure = Failure::user(printable(&error.to_string()));
    match error {
        CompareError::NoRuns { .. } => failure.with_help(NO_RUNS_HELP),
        CompareError::UnknownMetric { nearest: Some(nearest), .. }
        | CompareError::UnknownKey { nearest: Some(nearest), .. }
        | CompareError::Baseline { nearest: Some(nearest), .. } => {
            failure.with_help(format!("did you mean {}?", printable(nearest)))
        }
        CompareError::UnknownMetric { .. }
        | CompareError::UnknownKey { .. }
        | CompareError::Baseline { .. } => failure,
        CompareError::Unanswerable { help, .. } => failure.with_help(printable(help)),
        CompareError::SettingsDiffer { .. } => {
            failure.with_help("name only the variant folders that were measured alike")
        }
    }
}
