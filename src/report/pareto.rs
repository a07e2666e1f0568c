//! Quality against cost: which variants no other beats in both.
//!
//! In: a [`Comparison`] and a [`Cost`]. Out: [`Pareto`], cheapest first, the frontier marked, every other
//! variant with those of the frontier that beat it.

use serde::Serialize;

use super::compare::Comparison;
use super::cost::{Cost, costs};
use super::load::Loaded;
use super::metric::{Goal, Metric};

/// Quality against cost.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Pareto {
    /// Of the quality.
    pub(crate) metric: Metric,
    /// Less is better.
    pub(crate) cost: Cost,
    /// Variants with both, cheapest first; equally cheap ones best first.
    pub(crate) points: Vec<ParetoPoint>,
    /// Variants that lack the metric or the cost, by name.
    pub(crate) left_out: Vec<String>,
}

/// One variant.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct ParetoPoint {
    /// As in the comparison.
    pub(crate) variant: String,
    /// Identity.
    pub(crate) id: String,
    /// Mean of the metric over seeds.
    pub(crate) mean: f64,
    /// Mean of the cost over the same seeds.
    pub(crate) cost: f64,
    /// Whether no other is as good and as cheap, and better in one of the two.
    pub(crate) frontier: bool,
    /// Those of the frontier that are; empty on the frontier.
    pub(crate) dominated_by: Vec<String>,
}

impl ParetoPoint {
    fn is_dominated_by(&self, other: &ParetoPoint, goal: Goal) -> bool {
        let quality = goal.order(other.mean, self.mean);
        other.cost <= self.cost && quality.is_le() && (other.cost < self.cost || quality.is_lt())
    }
}

/// Holds every variant of a comparison against what it costs.
pub(crate) fn pareto(loaded: &Loaded, comparison: &Comparison, cost: Cost) -> Pareto {
    let goal = comparison.metric.goal;
    let (mut points, mut left_out) = (Vec::new(), Vec::new());
    for (row, cost) in comparison.cells().iter().zip(costs(loaded, comparison, cost)) {
        let variant = row.variant.clone();
        match (row.summary, cost) {
            (Some(summary), Some(cost)) => points.push(ParetoPoint {
                variant,
                id: row.id.clone(),
                mean: summary.mean,
                cost,
                frontier: false,
                dominated_by: Vec::new(),
            }),
            _ => left_out.push(variant),
        }
    }
    points.sort_by(|left, right| {
        left.cost.total_cmp(&right.cost).then_with(|| goal.order(left.mean, right.mean))
    });
    mark(&mut points, goal);
    Pareto { metric: comparison.metric.clone(), cost, points, left_out }
}

/// Marks the frontier of points sorted by cost, then quality.
fn mark(points: &mut [ParetoPoint], goal: Goal) {
    let mut frontier: Vec<usize> = Vec::new();
    for at in 0..points.len() {
        // The last of the frontier is the best of all that are as cheap or cheaper.
        let beaten = frontier.last().is_some_and(|best| points[at].is_dominated_by(&points[*best], goal));
        if !beaten {
            points[at].frontier = true;
            frontier.push(at);
        }
    }
    for at in 0..points.len() {
        if !points[at].frontier {
            let dominating =
                frontier.iter().filter(|other| points[at].is_dominated_by(&points[**other], goal));
            points[at].dominated_by = dominating.map(|other| points[*other].variant.clone()).collect();
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn points(values: &[(f64, f64)]) -> Vec<ParetoPoint> {
        let mut points: Vec<ParetoPoint> = values
            .iter()
            .enumerate()
            .map(|(at, (cost, mean))| ParetoPoint {
                variant: format!("v{at}"),
                id: String::new(),
                mean: *mean,
                cost: *cost,
                frontier: false,
                dominated_by: Vec::new(),
            })
            .collect();
        points.sort_by(|left, right| left.cost.total_cmp(&right.cost).then(left.mean.total_cmp(&right.mean)));
        mark(&mut points, Goal::Min);
        points
    }

    #[test]
    fn the_frontier_is_what_no_other_beats_in_both() {
        let marked = points(&[(1.0, 0.5), (2.0, 0.6), (2.0, 0.3), (3.0, 0.3), (4.0, 0.1), (1.0, 0.5)]);
        let found: Vec<(&str, bool, Vec<&str>)> = marked
            .iter()
            .map(|point| {
                let by = point.dominated_by.iter().map(String::as_str).collect();
                (point.variant.as_str(), point.frontier, by)
            })
            .collect();
        assert_eq!(
            found,
            [
                ("v0", true, vec![]),
                ("v5", true, vec![]),
                ("v2", true, vec![]),
                ("v1", false, vec!["v0", "v5", "v2"]),
                ("v3", false, vec!["v2"]),
                ("v4", true, vec![]),
            ]
        );
    }

    proptest! {
        #[test]
        fn the_frontier_is_that_of_the_definition(values in prop::collection::vec((0u8..6, 0u8..6), 0..24)) {
            let values: Vec<(f64, f64)> =
                values.into_iter().map(|(cost, mean)| (f64::from(cost), f64::from(mean))).collect();
            let marked = points(&values);
            for point in &marked {
                let beaten = marked.iter().any(|other| point.is_dominated_by(other, Goal::Min));
                prop_assert_eq!(point.frontier, !beaten);
                prop_assert_eq!(point.dominated_by.is_empty(), !beaten);
            }
        }
    }
}
