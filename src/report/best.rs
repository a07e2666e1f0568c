//! `--best-over KEY`: of the variants that differ in one key alone, the one that is best on `val` stands for all.
//!
//! In: one row per variant, and how each did on `val`. Out: the rows of the chosen ones, each with its choice.
//! An ablation of targets or losses at one learning rate says more about the rate than about the target.

use std::collections::BTreeMap;

use serde_json::Value;

use super::metric::{Log, Metric};
use super::row::{Choice, Row, Seed};
use super::stats::Summary;

/// Chooses among `rows` (in declared order) over the column `over`; `selection` holds the values on `val` of the
/// same rows, where they are not the rows' own. Returns the chosen rows and what is to be said about the others.
pub(super) fn best(
    rows: Vec<Row>,
    selection: Option<&[Option<Summary>]>,
    keys: &[String],
    over: usize,
    metric: &Metric,
) -> (Vec<Row>, Vec<String>) {
    let goal = metric.goal;
    let mut groups: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (at, row) in rows.iter().enumerate() {
        groups.entry(others(row, over)).or_default().push(at);
    }
    let mean = |at: usize| match selection {
        Some(selection) => selection[at].map(|summary| summary.mean),
        None => rows[at].summary.map(|summary| summary.mean),
    };
    let mut chosen: BTreeMap<usize, Choice> = BTreeMap::new();
    for group in groups.values() {
        let valued = group.iter().copied().filter_map(|at| Some((at, mean(at)?)));
        // `min_by` keeps the first of equals: the one declared first.
        let best = valued.min_by(|left, right| goal.order(left.1, right.1));
        let at = best.map_or(group[0], |(at, _)| at);
        let value = rows[at].overrides[over].clone();
        chosen.insert(at, Choice { value, mean: best.map(|(_, mean)| mean), among: group.len() });
    }
    let mut notes = notes(&rows, &chosen, &keys[over], metric.log);
    if selection.is_none() && metric.log == Log::Eval {
        notes.push(
            "the choice and the comparison are on the same images, which flatters both; --split test compares on \
             images that no choice has seen"
                .to_owned(),
        );
    }
    let kept = rows.into_iter().enumerate().filter_map(|(at, row)| {
        let choice = chosen.remove(&at)?;
        Some(Row { choice: Some(choice), ..row })
    });
    (kept.collect(), notes)
}

/// Everything else that a row is told by.
fn others(row: &Row, over: usize) -> String {
    let others = row.overrides.iter().enumerate().filter(|(column, _)| *column != over);
    let others: Vec<&Option<Value>> = others.map(|(_, value)| value).collect();
    // Settings are plain JSON.
    serde_json::to_string(&others).unwrap_or_default()
}

/// What became of the runs that no row shows.
fn notes(rows: &[Row], chosen: &BTreeMap<usize, Choice>, key: &str, log: Log) -> Vec<String> {
    if chosen.values().all(|choice| choice.among == 1) {
        return vec![format!("{key} takes one value in every variant, so that there was nothing to choose")];
    }
    let given_way = || rows.iter().enumerate().filter(|(at, _)| !chosen.contains_key(at)).map(|(_, row)| row);
    let runs = || given_way().flat_map(|row| &row.seeds);
    let count = |test: &dyn Fn(&Seed) -> bool| runs().filter(|seed| test(seed)).count();
    let failed = count(&|seed| seed.found && seed.state.is_failure());
    let missing = count(&|seed| !seed.found);
    let mut notes = vec![format!(
        "each row is the best over {key} by its mean on {}; {} variants of {} runs gave way, of which {failed} \
         failed or diverged and {missing} are missing",
        if log == Log::Eval { "val" } else { "training batches" },
        given_way().count(),
        runs().count(),
    )];
    let fewer = |row: &&Row| row.seeds.iter().any(|seed| seed.point.is_err());
    if rows.iter().filter(fewer).count() > 0 {
        notes.push("some of the choices are between means over different numbers of seeds".to_owned());
    }
    notes
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::report::fixture;
    use crate::report::pick::Gap;

    fn row(variant: &str, target: &str, rate: f64, values: &[f64]) -> Row {
        Row { overrides: vec![Some(json!(target)), Some(json!(rate))], ..fixture::row(variant, values) }
    }

    fn metric() -> Metric {
        "denoise_score".parse().unwrap()
    }

    fn keys() -> Vec<String> {
        ["diffusion.prediction_type", "training.learning_rate"].map(str::to_owned).into()
    }

    #[test]
    fn the_best_value_of_the_key_stands_for_each_variant() {
        let rows = vec![
            row("a", "epsilon", 1e-3, &[0.5, 0.4]),
            row("b", "epsilon", 1e-4, &[0.2, 0.3]),
            row("c", "v", 1e-3, &[0.1, 0.2]),
            row("d", "v", 1e-4, &[0.1, 0.2]),
        ];
        let (rows, notes) = best(rows, None, &keys(), 1, &metric());
        let found: Vec<(&str, Choice)> =
            rows.iter().map(|row| (row.variant.as_str(), row.choice.clone().unwrap())).collect();
        let choice = |value: f64, mean| Choice { value: Some(json!(value)), mean: Some(mean), among: 2 };
        // Equally good rates: the one declared first.
        assert_eq!(found, [("b", choice(1e-4, 0.25)), ("c", choice(1e-3, (0.1 + 0.2) / 2.0))]);
        assert!(notes[0].contains("2 variants of 4 runs gave way"), "{notes:?}");
    }

    #[test]
    fn a_choice_on_another_split_does_not_look_at_the_values_shown() {
        let rows = vec![row("a", "v", 1e-3, &[0.1]), row("b", "v", 1e-4, &[0.2])];
        let selection = [Summary::of(&[0.9]), Summary::of(&[0.8])];
        let (rows, _) = best(rows, Some(&selection), &keys(), 1, &metric());
        assert_eq!((rows[0].variant.as_str(), rows[0].summary.unwrap().mean), ("b", 0.2));
        assert_eq!(rows[0].choice.as_ref().unwrap().mean, Some(0.8));
    }

    #[test]
    fn runs_that_gave_way_are_counted_with_what_became_of_them() {
        let mut failed = row("b", "v", 1e-4, &[0.2, 0.3]);
        failed.seeds[1].point = Err(Gap::Failed);
        failed.seeds[1].state = crate::rundir::State::Diverged;
        let rows = vec![row("a", "v", 1e-3, &[0.1, 0.1]), failed];
        let (rows, notes) = best(rows, None, &keys(), 1, &metric());
        assert_eq!(rows.len(), 1);
        assert!(
            notes[0].contains("1 variants of 2 runs gave way, of which 1 failed or diverged"),
            "{notes:?}"
        );
        assert!(notes[1].contains("different numbers of seeds"), "{notes:?}");
        assert!(notes[2].contains("--split test compares on images that no choice has seen"), "{notes:?}");
    }
}
