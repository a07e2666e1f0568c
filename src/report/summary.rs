//! The rows of `summary.csv`: where every run stands and its latest numbers.
//!
//! In: an experiment's folder. Out: header and cells for [`crate::rundir::summary::write`].

use super::load::{self, RunRow, VariantRuns};
use super::metric::{Goal, Log, Metric};
use super::pick;
use super::point::Weights;
use super::series::Series;
use super::varying::columns;
use crate::rundir::csv_log::float;
use crate::rundir::{ExperimentDir, RunDirError};

/// Metrics of `eval.csv` in the table, at the last row of the first average.
const EVAL_METRICS: [&str; 2] = ["denoise_score", "denoise_bits"];

/// A table of plain cells.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct SummaryTable {
    /// `variant,id,seed,state,step`, the varying keys, the metrics.
    pub(crate) header: Vec<String>,
    /// One per run, variants in the plan's order; empty = not defined.
    pub(crate) rows: Vec<Vec<String>>,
    /// What could not be read.
    pub(crate) notes: Vec<String>,
}

/// Reads an experiment and lays out its summary.
pub(crate) fn summary(experiment: &ExperimentDir) -> Result<SummaryTable, RunDirError> {
    let loaded = load::load(&[experiment.path().to_path_buf()], Log::Eval)?;
    let keys = columns(&loaded);
    let mut header: Vec<String> = ["variant", "id", "seed", "state", "step"].map(str::to_owned).into();
    header.extend(keys.iter().cloned());
    header.extend(EVAL_METRICS.map(str::to_owned));
    header.push("loss".to_owned());
    let rows = loaded
        .variants
        .iter()
        .flat_map(|variant| variant.runs.iter().map(|run| cells(variant, run, &keys)))
        .collect();
    Ok(SummaryTable { header, rows, notes: loaded.notes })
}

fn cells(variant: &VariantRuns, run: &RunRow, keys: &[String]) -> Vec<String> {
    let mut cells = vec![
        variant.label.clone(),
        variant.id.clone(),
        run.seed.to_string(),
        run.state.name().to_owned(),
        run.step.to_string(),
    ];
    cells.extend(keys.iter().map(|key| super::format::plain(variant.value(key))));
    let number = |value: Option<f64>| value.map(float).unwrap_or_default();
    for name in EVAL_METRICS {
        let metric = Metric { name: name.to_owned(), log: Log::Eval, goal: Goal::Min };
        let points = pick::points(run, &metric, &Weights::FirstEma);
        cells.push(number(points.ok().and_then(|points| points.last().map(|point| point.value))));
    }
    cells.push(number(last_loss(run)));
    cells
}

/// The training loss in the last row of `metrics.csv`.
fn last_loss(run: &RunRow) -> Option<f64> {
    let series = Series::read_tail(&run.dir.metrics_path()).ok()?;
    let column = series.column("loss")?;
    series.rows.last()?.values[column]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture::Tree;

    #[test]
    fn every_planned_run_has_a_row_with_its_latest_numbers() {
        let tree = Tree::new();
        tree.plan(&[("a-1", &[0, 1]), ("b-2", &[0])]);
        tree.run("a-1", 0).eval("100,ema-0.9,1,0.5,0.25,64\n200,ema-0.9,1,0.4,0.2,64\n").done(200);
        tree.run("a-1", 0).metrics("100,1,100,0.75,,,,,1,0.001,0.9\n");
        let table = summary(&tree.experiment()).unwrap();
        assert_eq!(table.header.join(","), "variant,id,seed,state,step,denoise_score,denoise_bits,loss");
        let rows: Vec<String> = table.rows.iter().map(|row| row.join(",")).collect();
        assert_eq!(rows, ["a-1,1,0,done,200,0.4,0.2,0.75", "a-1,1,1,planned,0,,,", "b-2,2,0,planned,0,,,"]);
    }
}
