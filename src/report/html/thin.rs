//! Long curves made short without losing what the eye looks for.
//!
//! In: rows of several columns (one a seed) and how many may stay. Out: which do: the first, the last, and of each
//! bucket of consecutive rows the one with the least and the one with the greatest value. Rows that stay are unchanged.

/// Places of the rows to keep, rising; all of them where there are no more than `limit`.
pub(super) fn thin(columns: &[Vec<f64>], limit: usize) -> Vec<usize> {
    let rows = columns.first().map_or(0, Vec::len);
    if rows <= limit {
        return (0..rows).collect();
    }
    let buckets = (limit.saturating_sub(2) / 2).max(1);
    let mut kept = vec![0];
    for bucket in 0..buckets {
        // The ends are kept apart.
        let place = |part: usize| 1 + part * (rows - 2) / buckets;
        let (from, to) = (place(bucket), place(bucket + 1));
        let mut extremes: [Option<(f64, usize)>; 2] = [None, None];
        for column in columns {
            for (row, value) in (from..to).zip(&column[from..to]).filter(|(_, value)| !value.is_nan()) {
                let [least, greatest] = &mut extremes;
                if least.is_none_or(|(known, _)| *value < known) {
                    *least = Some((*value, row));
                }
                if greatest.is_none_or(|(known, _)| *value > known) {
                    *greatest = Some((*value, row));
                }
            }
        }
        let mut places: Vec<usize> = extremes.into_iter().flatten().map(|(_, row)| row).collect();
        places.sort_unstable();
        places.dedup();
        kept.extend(places);
    }
    kept.push(rows - 1);
    kept
}

/// The greatest limit at which series of these (rows, bytes a row) fit into `budget` bytes together.
pub(super) fn limit_for(series: &[(usize, usize)], budget: usize) -> usize {
    let bytes = |limit: usize| series.iter().map(|(rows, width)| (*rows).min(limit) * width).sum::<usize>();
    let longest = series.iter().map(|(rows, _)| *rows).max().unwrap_or(0);
    let (mut fits, mut too_many) = (0, longest + 1);
    while too_many - fits > 1 {
        let middle = fits + (too_many - fits) / 2;
        if bytes(middle) <= budget {
            fits = middle;
        } else {
            too_many = middle;
        }
    }
    fits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_and_extremes_of_every_column_stay() {
        let mut first: Vec<f64> = (0..1000).map(|row| (f64::from(row) / 50.0).sin()).collect();
        let second: Vec<f64> = (0..1000).map(|row| if row == 777 { 9.0 } else { 0.0 }).collect();
        first[500] = f64::NAN;
        first[501] = -7.0;
        let kept = thin(&[first, second], 100);
        assert!(kept.len() <= 100 && kept.windows(2).all(|pair| pair[0] < pair[1]), "{kept:?}");
        for row in [0, 501, 777, 999] {
            assert!(kept.contains(&row), "{row}");
        }
    }

    #[test]
    fn short_curves_stay_whole_and_empty_ones_empty() {
        assert_eq!(thin(&[vec![1.0, 2.0]], 2), [0, 1]);
        assert_eq!(thin(&[], 10), [0; 0]);
        assert_eq!(thin(&[vec![f64::NAN; 10]], 4), [0, 9], "nothing to choose between the ends");
    }

    #[test]
    fn the_budget_is_filled_and_kept() {
        let series = [(1000, 10), (10, 10), (500, 20)];
        let limit = limit_for(&series, 6_100);
        assert_eq!(limit, 200);
        assert_eq!(limit_for(&series, 1 << 20), 1000);
        assert_eq!(limit_for(&[], 5), 0);
    }
}
