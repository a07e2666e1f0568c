//! The forward process, its training objective, the held-out curve, the chain's bound and the samplers.
//!
//! `schedule`, `curve`, `bound`, `spacing` and `prediction` are plain arithmetic in f64 (`prediction` on tensors as well);
//! `objective` and `sampler` work on tensors.

pub mod bound;
pub mod curve;
#[cfg(feature = "torch")]
pub mod objective;
pub mod prediction;
#[cfg(feature = "torch")]
pub mod sampler;
mod schedule;
mod spacing;

pub use schedule::{Schedule, ScheduleError, betas, ends};
pub use spacing::{places, timesteps};
