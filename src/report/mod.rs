//! What the runs say: which variant was better, by how much, and whether that is more than chance.
//!
//! ```text
//! folders -> load -> compare (pick, stats, verdict, trust) -> format, html
//! ```
//!
//! Reads run folders alone; nothing here trains, plans or writes.

pub(crate) mod compare;
pub(crate) mod format;
pub(crate) mod html;
pub(crate) mod load;
pub(crate) mod metric;
pub(crate) mod point;
pub(crate) mod summary;

mod gaps;
mod pick;
mod provenance;
mod read;
mod series;
mod stats;
mod trust;
mod varying;
mod verdict;

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use series::Series;

#[cfg(test)]
mod fixture;
