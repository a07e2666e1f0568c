//! `ablate compare [DIR…]`: which variant was best, by how much, and whether that is more than chance.

mod options;

use std::io::{self, IsTerminal};
use std::path::Path;

use super::failure::{ExitCode, Failure};
use super::output::print;
use crate::guard::printable;
use crate::report::compare::{self, CompareError, Comparison, Query};
use crate::report::effects::effects;
use crate::report::filter;
use crate::report::format::{self, Format, Shown};
use crate::report::load::{self, Loaded};
use crate::report::metric::{DEFAULT_METRIC, Log, Metric};
use crate::report::pareto::{Pareto, pareto};
pub(crate) use options::Args;
use options::Trade;

/// Columns of a table that no terminal shows.
const WIDTH: u16 = 100;

const NO_RUNS_HELP: &str = "train some with `ablate run EXPERIMENT`, or name the folder they are in";

/// Loads, compares, prints.
pub(crate) fn exec(args: Args) -> Result<ExitCode, Failure> {
    args.check()?;
    let query = args.query();
    let loaded = loaded(&args, query.metric.log)?;
    let comparison = compare::compare(&loaded, &query).map_err(|error| failure(&error))?;
    if let Some(reason) = comparison.incomparable.as_ref().filter(|_| args.effects || args.pareto.is_some()) {
        let (metric, reason) = (query.metric.to_string(), reason.clone());
        return Err(failure(&CompareError::SettingsDiffer { metric, reason }));
    }
    let effects = args.effects.then(|| effects(&loaded, &comparison));
    let pareto = match &args.pareto {
        None => None,
        Some(trade) => Some(traded(&args, &query, &loaded, &comparison, trade)?),
    };
    if !args.format.has_prose() {
        super::output::say(format::prose(&comparison).trim());
    }
    let shown = Shown { comparison: &comparison, effects: effects.as_ref(), pareto: pareto.as_ref() };
    print(&format::render(shown, args.format, width()))?;
    Ok(ExitCode::SUCCESS)
}

/// The runs that were named and have every asked setting.
fn loaded(args: &Args, log: Log) -> Result<Loaded, Failure> {
    let mut loaded = load::load(&args.folders, log)
        .map_err(|error| Failure::user(printable(&error.to_string())).with_help(NO_RUNS_HELP))?;
    if loaded.variants.is_empty() {
        for note in &loaded.notes {
            super::output::note(note);
        }
        let places: Vec<String> = args.folders.iter().map(|dir| dir.display().to_string()).collect();
        return Err(failure(&CompareError::NoRuns { places: places.join(", ") }));
    }
    filter::keep(&mut loaded, &args.filters()?).map_err(|error| failure(&error))?;
    Ok(loaded)
}

/// Quality against cost; of another metric than the table's where both are named.
fn traded(
    args: &Args,
    query: &Query,
    loaded: &Loaded,
    comparison: &Comparison,
    trade: &Trade,
) -> Result<Pareto, Failure> {
    if trade.metric == query.metric {
        return Ok(pareto(loaded, comparison, trade.cost));
    }
    let query = Query { metric: trade.metric.clone(), baseline: None, ..query.clone() };
    let loaded = self::loaded(args, query.metric.log)?;
    let comparison = compare::compare(&loaded, &query).map_err(|error| failure(&error))?;
    Ok(pareto(&loaded, &comparison, trade.cost))
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
