//! What was seen since the last row of `metrics.csv`: sums that outlive a restart.

use serde::{Deserialize, Serialize};

/// Loss sums since the last row, over all images and by quarter of t.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Tally {
    sum: [f64; 4],
    count: [u64; 4],
}

/// Means of a tally; `None` where no image fell.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Means {
    pub(super) loss: Option<f64>,
    pub(super) quarters: [Option<f64>; 4],
}

impl Tally {
    /// Adds one image's loss at timestep `t` of `timesteps`.
    pub(super) fn add(&mut self, loss: f64, t: i64, timesteps: usize) {
        let quarter = (t as usize * 4 / timesteps).min(3);
        self.sum[quarter] += loss;
        self.count[quarter] += 1;
    }

    /// Means so far.
    pub(super) fn means(&self) -> Means {
        let mean = |sum: f64, count: u64| (count > 0).then(|| sum / count as f64);
        Means {
            loss: mean(self.sum.iter().sum(), self.count.iter().sum()),
            quarters: std::array::from_fn(|q| mean(self.sum[q], self.count[q])),
        }
    }

    /// Forgets everything: a row was written.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_are_split_by_quarter_of_t_and_empty_where_nothing_fell() {
        let mut tally = Tally::default();
        tally.add(1.0, 0, 1000);
        tally.add(3.0, 249, 1000);
        tally.add(8.0, 999, 1000);
        let means = tally.means();
        assert_eq!(means.loss, Some(4.0));
        assert_eq!(means.quarters, [Some(2.0), None, None, Some(8.0)]);
        tally.clear();
        assert_eq!(tally.means().loss, None);
    }
}
