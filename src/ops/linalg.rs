//! Linear algebra in 64 bits on the host: what the distances between sets of features come down to.
//!
//! Matrices are slices, row after row, with the length of a row beside them.

use tch::{Kind, Tensor};
use thiserror::Error;

use super::native;

/// Rows that are widened to 64 bits at a time.
const CHUNK: usize = 4096;

/// LAPACK did not answer.
#[derive(Debug, Error)]
#[error("libtorch could not {action}: {reason}")]
pub struct LinalgError {
    action: &'static str,
    reason: String,
}

/// Rows of numbers, widened to 64 bits once.
#[derive(Debug)]
pub(crate) struct Rows(Tensor);

impl Rows {
    /// Rows of this width, one after the other.
    pub(crate) fn new(values: &[f32], width: usize) -> Self {
        Self(matrix(values, width))
    }

    /// The inner product of each of these rows with each of the others: a row of the result for each of these.
    pub(crate) fn inner_products(&self, others: &Rows) -> Vec<f64> {
        on_host(&self.0.matmul(&others.0.transpose(0, 1)))
    }
}

/// `Σ (x−μ)(x−μ)ᵀ` over the rows x, a matrix as wide as they are.
pub(crate) fn scatter(rows: &[f32], mean: &[f64]) -> Vec<f64> {
    let width = mean.len();
    let mean = Tensor::from_slice(mean);
    let side = width as i64;
    let mut sum = Tensor::zeros([side, side], (Kind::Double, tch::Device::Cpu));
    for chunk in rows.chunks(CHUNK * width) {
        let centred = matrix(chunk, width) - &mean;
        sum += centred.transpose(0, 1).matmul(&centred);
    }
    on_host(&sum)
}

/// A matrix A of the same size with `AᵀA` = a symmetric one that has no negative eigenvalue but by rounding.
pub(crate) fn root(symmetric: &[f64], width: usize) -> Result<Vec<f64>, LinalgError> {
    let failed = |error: tch::TchError| LinalgError {
        action: "find the eigenvalues of a covariance",
        reason: error.to_string(),
    };
    let symmetric = Tensor::from_slice(symmetric).view([-1, width as i64]);
    let (values, vectors) = symmetric.f_linalg_eigh("L").map_err(failed)?;
    let scaled = vectors * values.clamp_min(0.0).sqrt();
    Ok(on_host(&scaled.transpose(0, 1)))
}

/// The sum of the singular values of `left·rightᵀ`; the two may have different numbers of rows.
pub(crate) fn nuclear_norm(left: &[f64], right: &[f64], width: usize) -> Result<f64, LinalgError> {
    let shaped = |values: &[f64]| Tensor::from_slice(values).view([-1, width as i64]);
    let product = shaped(left).matmul(&shaped(right).transpose(0, 1));
    let action = "find the singular values of a product of covariances";
    let values = native::singular_values(&product).map_err(|reason| LinalgError { action, reason })?;
    Ok(values.sum(Kind::Double).double_value(&[]))
}

fn matrix(values: &[f32], width: usize) -> Tensor {
    Tensor::from_slice(values).view([-1, width as i64]).to_kind(Kind::Double)
}

fn on_host(tensor: &Tensor) -> Vec<f64> {
    let mut values = vec![0.0; tensor.numel()];
    tensor.contiguous().copy_data(&mut values, tensor.numel());
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: &[f64], expected: &[f64]) {
        assert_eq!(found.len(), expected.len());
        let near = |(found, expected): (&f64, &f64)| (found - expected).abs() < 1e-12;
        assert!(found.iter().zip(expected).all(near), "{found:?} {expected:?}");
    }

    #[test]
    fn products_and_scatter_are_those_worked_out_by_hand() {
        let rows = [1.0, 2.0, 3.0, -1.0];
        close(&Rows::new(&rows, 2).inner_products(&Rows::new(&[1.0, 1.0], 2)), &[3.0, 2.0]);
        // Mean (2, 0.5): both rows are (±1, ∓1.5) from it.
        close(&scatter(&rows, &[2.0, 0.5]), &[2.0, -3.0, -3.0, 4.5]);
    }

    #[test]
    fn a_root_squares_to_its_matrix_even_where_that_has_no_inverse() {
        for matrix in [[4.0, 0.0, 0.0, 9.0], [2.0, -3.0, -3.0, 4.5], [0.0; 4]] {
            let root = root(&matrix, 2).unwrap();
            let entry = |i: usize, j: usize| root[i] * root[j] + root[2 + i] * root[2 + j];
            close(&[entry(0, 0), entry(0, 1), entry(1, 0), entry(1, 1)], &matrix);
        }
    }

    #[test]
    fn the_nuclear_norm_of_a_diagonal_is_the_sum_of_what_stands_there() {
        let norm = nuclear_norm(&[3.0, 0.0, 0.0, -2.0], &[1.0, 0.0, 0.0, 1.0, 0.0, 0.0], 2).unwrap();
        close(&[norm], &[5.0]);
    }
}
