//! What keeps a recommendation from being larger.
//!
//! In: the best within bounds. Out: each bound whose doubling alone gives another best, the one that gives most first.

use super::Bounds;
use super::search::{BEYOND, Choice, Space};

/// A bound that counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// Twice the memory would have a network of so many parameters.
    Memory(u64),
    /// Twice the parameters for the same data would be taken: four times the images bear them.
    Data(u64),
    /// Twice the work.
    Work(u64),
    /// Twice the hours.
    Hours(u64),
}

impl Limit {
    /// Parameters of the best with that bound doubled.
    pub fn parameters(self) -> u64 {
        match self {
            Limit::Memory(parameters)
            | Limit::Data(parameters)
            | Limit::Work(parameters)
            | Limit::Hours(parameters) => parameters,
        }
    }
}

/// What a bound is called, and the bounds with it doubled where there is such a bound.
type Moved = (fn(u64) -> Limit, Option<Bounds>);

/// The bounds that count for a choice.
pub(super) fn of(space: &Space<'_>, best: &Choice, bounds: &Bounds) -> Vec<Limit> {
    let double = |count: u64| count.saturating_mul(BEYOND);
    let moved: [Moved; 4] = [
        (Limit::Memory, Some(Bounds { memory: double(bounds.memory), ..*bounds })),
        (Limit::Data, Some(Bounds { parameters: double(bounds.parameters), ..*bounds })),
        (
            Limit::Work,
            bounds.forward_flops.map(|flops| Bounds { forward_flops: Some(double(flops)), ..*bounds }),
        ),
        (Limit::Hours, bounds.hours.map(|hours| Bounds { hours: Some(hours * BEYOND as f64), ..*bounds })),
    ];
    let found = moved.into_iter().filter_map(|(limit, bounds)| {
        let other = space.best(&bounds?, true)?;
        let gain = other.score - best.score;
        (gain > 0.0 && other.network != best.network).then_some((gain, limit(other.network.parameters)))
    });
    let mut found: Vec<(f64, Limit)> = found.collect();
    found.sort_by(|(one, _), (other, _)| other.total_cmp(one));
    found.into_iter().map(|(_, limit)| limit).collect()
}
