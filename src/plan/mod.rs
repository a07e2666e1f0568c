//! From one experiment to its variants: expanded, checked, named and priced, before anything is started.
//!
//! ```text
//! [sweep] -> sweep (points) -> resolve (Config, facts) -> merge (identity, name) -> Plan
//!                                                                                    |
//!                                        record (plan.json), request (request/), progress
//! ```
//!
//! [`Plan::build`] writes nothing; [`write_record`] and [`record_request`] are for whoever starts the runs.

mod build;
mod extension;
mod facts;
mod first_weights;
#[cfg(test)]
pub(crate) mod fixture;
mod folders;
mod identity;
mod left_out;
mod merge;
mod name;
mod problems;
mod progress;
mod record;
mod request;
mod resolve;
mod sweep;
mod variant;

pub use build::{Plan, PlannedRun};
pub use extension::{Extension, NotExtendable};
pub use facts::ScheduleFacts;
pub use left_out::{Duplicate, Excluded, Invalid};
pub(crate) use name::short_float;
pub use progress::{Progress, RunState, run_state, variant_state};
pub use record::write_record;
pub use request::record_request;
pub use variant::Variant;
