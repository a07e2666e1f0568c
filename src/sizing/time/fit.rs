//! Non-negative least squares for a handful of unknowns.
//!
//! In: rows of amounts, each divided by what the row took. Out: the prices p ≥ 0 that make |Xp − 1|² least, which counts
//! relative errors alike. At the optimum the prices above zero are the plain least squares of their own columns, so that
//! trying every set of columns and taking the best that has no negative price is exact; 64 sets cost nothing.

/// Added to the diagonal of the normal equations, whose columns have length 1: decides between columns that say the same.
const RIDGE: f64 = 1e-6;

/// The prices; all zero where there is no row.
pub(super) fn non_negative<const N: usize>(rows: &[[f64; N]]) -> [f64; N] {
    let product = |a: usize, b: usize| rows.iter().map(|row| row[a] * row[b]).sum::<f64>();
    // Columns are brought to length 1: operations are counted in thousands of millions, layers in hundreds.
    let lengths: [f64; N] = std::array::from_fn(|column| product(column, column).sqrt());
    let usable = |column: &usize| lengths[*column] > 0.0 && lengths[*column].is_finite();
    let gains: [f64; N] = std::array::from_fn(|a| rows.iter().map(|row| row[a]).sum::<f64>() / lengths[a]);
    let gram =
        |a: usize, b: usize| product(a, b) / (lengths[a] * lengths[b]) + if a == b { RIDGE } else { 0.0 };
    let mut best = ([0.0; N], 0.0);
    for set in 1_u32..(1 << N) {
        let columns: Vec<usize> = (0..N).filter(|column| (set >> column) & 1 == 1).collect();
        if !columns.iter().all(usable) {
            continue;
        }
        let matrix: Vec<Vec<f64>> =
            columns.iter().map(|a| columns.iter().map(|b| gram(*a, *b)).collect()).collect();
        let wanted: Vec<f64> = columns.iter().map(|column| gains[*column]).collect();
        let Some(solution) = solve(matrix, wanted.clone()) else { continue };
        if solution.iter().any(|price| *price < 0.0) {
            continue;
        }
        // |Xp − 1|² = rows − gains·p at a least-squares solution.
        let gained: f64 = solution.iter().zip(&wanted).map(|(price, gain)| price * gain).sum();
        if gained > best.1 {
            let mut prices = [0.0; N];
            columns
                .iter()
                .zip(&solution)
                .for_each(|(column, price)| prices[*column] = price / lengths[*column]);
            best = (prices, gained);
        }
    }
    best.0
}

/// Solves a symmetric positive system by Cholesky's decomposition; `None` where it is not positive.
fn solve(mut matrix: Vec<Vec<f64>>, mut vector: Vec<f64>) -> Option<Vec<f64>> {
    let size = vector.len();
    for column in 0..size {
        let before = |row: &[f64], other: &[f64]| -> f64 {
            row[..column].iter().zip(&other[..column]).map(|(a, b)| a * b).sum()
        };
        let pivot = matrix[column][column] - before(&matrix[column], &matrix[column]);
        if pivot.is_nan() || pivot <= 0.0 {
            return None;
        }
        matrix[column][column] = pivot.sqrt();
        for row in column + 1..size {
            let rest = matrix[row][column] - before(&matrix[row], &matrix[column]);
            matrix[row][column] = rest / matrix[column][column];
        }
    }
    for row in 0..size {
        let known: f64 = (0..row).map(|column| matrix[row][column] * vector[column]).sum();
        vector[row] = (vector[row] - known) / matrix[row][row];
    }
    for row in (0..size).rev() {
        let known: f64 = (row + 1..size).map(|below| matrix[below][row] * vector[below]).sum();
        vector[row] = (vector[row] - known) / matrix[row][row];
    }
    Some(vector)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows of amounts over what they take at these prices.
    fn rows<const N: usize>(amounts: &[[f64; N]], prices: [f64; N]) -> Vec<[f64; N]> {
        let took = |row: &[f64; N]| row.iter().zip(prices).map(|(amount, price)| amount * price).sum::<f64>();
        amounts.iter().map(|row| row.map(|amount| amount / took(row))).collect()
    }

    #[test]
    fn prices_that_were_paid_are_found() {
        let amounts = [[1e9, 2e3, 1.0], [5e8, 1e6, 1.0], [1e10, 1e5, 1.0], [2e7, 5e4, 1.0]];
        let prices = [3e-12, 1e-9, 4e-3];
        let found = non_negative(&rows(&amounts, prices));
        for (found, paid) in found.iter().zip(prices) {
            assert!((found / paid - 1.0).abs() < 1e-3, "{found} for {paid}");
        }
    }

    #[test]
    fn a_price_that_would_be_negative_is_zero_and_the_others_are_the_best_without_it() {
        // What is paid for the first falls with the second.
        let amounts = [[1.0, 1.0], [1.0, 2.0], [1.0, 3.0]];
        let took = [1.0, 0.8, 0.6];
        let rows: Vec<[f64; 2]> =
            amounts.iter().zip(took).map(|(row, took)| row.map(|amount| amount / took)).collect();
        let [first, second] = non_negative(&rows);
        let alone =
            rows.iter().map(|row| row[0]).sum::<f64>() / rows.iter().map(|row| row[0].powi(2)).sum::<f64>();
        assert_eq!(second, 0.0);
        assert!((first / alone - 1.0).abs() < 1e-5, "{first} beside {alone}");
    }

    #[test]
    fn columns_that_say_the_same_share_a_price_and_empty_ones_have_none() {
        let found = non_negative(&rows(&[[1.0, 2.0, 0.0], [3.0, 6.0, 0.0]], [1.0, 0.5, 0.0]));
        assert!((found[0] + 2.0 * found[1] - 2.0).abs() < 1e-5, "{found:?}");
        assert_eq!(found[2], 0.0);
        assert_eq!(non_negative::<2>(&[]), [0.0, 0.0]);
    }
}
