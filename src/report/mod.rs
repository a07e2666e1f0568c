//! What the runs say: which variant was better, by how much, and whether that is more than chance.
//!
//! ```text
//! folders -> load -> compare (pick, stats, verdict, trust) -> effects, pareto -> format, html
//! ```
//!
//! Reads run folders alone; nothing here trains, plans or writes.

pub(crate) mod baseline;
pub(crate) mod compare;
pub(crate) mod cost;
pub(crate) mod difference;
pub(crate) mod effects;
pub(crate) mod filter;
pub(crate) mod format;
pub(crate) mod html;
pub(crate) mod load;
pub(crate) mod metric;
pub(crate) mod pareto;
pub(crate) mod point;
pub(crate) mod progress;
pub(crate) mod query;
pub(crate) mod row;
pub(crate) mod summary;

mod best;
mod chosen;
mod error;
mod evals;
mod gap;
mod gaps;
mod group;
mod images;
mod keys;
mod levels;
mod meter;
mod notes;
mod pick;
mod provenance;
mod read;
mod series;
mod source;
mod stats;
mod trust;
mod varying;
mod verdict;
mod window;

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use series::Series;

#[cfg(test)]
mod fixture;
