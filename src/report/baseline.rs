//! `--baseline VARIANT`: every other row against one, seed by seed.
//!
//! In: ranked rows and a name. Out: [`Baseline`]: per row the mean difference with interval, adjusted over rows.

use super::difference::{Difference, adjust, pairs};
use super::error::CompareError;
use super::images::Images;
use super::keys;
use super::row::Row;

/// Differences from one row.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Baseline {
    /// The row that the others are held against.
    pub(crate) variant: String,
    /// Its identity.
    pub(crate) id: String,
    /// One per row of the comparison, in its order: row minus baseline over the seeds that both have a value
    /// for. `None` for the baseline itself, and without such a seed.
    pub(crate) differences: Vec<Option<Difference>>,
}

/// Holds every row against the one that `name` means.
pub(super) fn baseline(rows: &[Row], name: &str) -> Result<Baseline, CompareError> {
    let at = find(rows, name)?;
    let base = &rows[at];
    let images = Images::read(rows.iter().flat_map(Row::runs));
    let mut differences: Vec<Option<Difference>> = rows
        .iter()
        .enumerate()
        .map(|(place, row)| (place != at).then(|| Difference::of_pairs(&pairs(row, base), &images))?)
        .collect();
    adjust(differences.iter_mut().flatten());
    Ok(Baseline { variant: base.variant.clone(), id: base.id.clone(), differences })
}

/// The row of a whole name or id, else the only one of which either begins so.
fn find(rows: &[Row], name: &str) -> Result<usize, CompareError> {
    let places = |test: &dyn Fn(&str) -> bool| -> Vec<usize> {
        let fits = |row: &Row| test(&row.variant) || (!row.id.is_empty() && test(&row.id));
        rows.iter().enumerate().filter(|(_, row)| fits(row)).map(|(at, _)| at).collect()
    };
    let mut found = places(&|known| known == name);
    if found.is_empty() {
        // Where several experiments are compared, a variant may go by its name without the experiment's.
        found = places(&|known| known.rsplit('/').next() == Some(name));
    }
    if found.is_empty() {
        found = places(&|known| known.starts_with(name));
    }
    let error =
        |reason: String, nearest| Err(CompareError::Baseline { name: name.to_owned(), reason, nearest });
    match found.as_slice() {
        [only] => Ok(*only),
        [] => {
            let names = rows.iter().map(|row| row.variant.as_str());
            let nearest = keys::nearest(name, names.clone()).map(str::to_owned);
            let listed: Vec<String> = names.map(str::to_owned).collect();
            error(format!("no row has this name or id; there are {}", super::verdict::list(&listed)), nearest)
        }
        several => {
            let names: Vec<String> = several.iter().map(|at| rows[*at].variant.clone()).collect();
            error(format!("several rows begin so: {}", super::verdict::list(&names)), None)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture::row;

    fn rows() -> Vec<Row> {
        vec![
            Row { id: "1f3a".into(), ..row("linear-1f3a", &[0.2, 0.4, 0.3]) },
            Row { id: "9c02".into(), ..row("cosine_a-9c02", &[0.1, 0.2, 0.2]) },
            Row { id: "77aa".into(), ..row("cosine_b-77aa", &[0.5]) },
        ]
    }

    #[test]
    fn differences_are_paired_by_seed_and_adjusted_over_rows() {
        let baseline = baseline(&rows(), "linear-1f3a").unwrap();
        let [None, Some(second), Some(third)] = baseline.differences.as_slice() else {
            panic!("{baseline:?}");
        };
        // −0.1, −0.2, −0.1.
        assert!((second.mean + 0.4 / 3.0).abs() < 1e-12);
        assert_eq!((second.seeds, third.seeds), (3, 1));
        // One seed makes no claim, so one contrast is left and its p value stands as it is.
        assert_eq!((second.p_holm, third.p, third.ci95), (second.p, None, None));
    }

    #[test]
    fn a_baseline_goes_by_name_id_or_a_beginning_that_is_its_own() {
        let at = |name| find(&rows(), name);
        assert_eq!((at("9c02"), at("1f"), at("cosine_b"), at("linear-1f3a")), (Ok(1), Ok(0), Ok(2), Ok(0)));
        assert_eq!(
            at("cosine").unwrap_err().to_string(),
            "--baseline cosine: several rows begin so: cosine_a-9c02, cosine_b-77aa"
        );
        let Err(CompareError::Baseline { reason, nearest, .. }) = at("cosine_c-9c02") else { panic!() };
        assert_eq!(nearest.as_deref(), Some("cosine_a-9c02"));
        assert!(reason.starts_with("no row has this name or id; there are linear-1f3a, "), "{reason}");
    }
}
