//! `ablate`: a declarative experiment runner for diffusion models.
//!
//! One TOML file flows one way through these stations; each arrow is a plain value:
//!
//! ```text
//! config  ->  plan  ->  launch  ->  worker -> train  ->  rundir  ->  report, serve
//! ```
//!
//! `config`, `plan`, `sizing`, `calibration`, `rundir`, `launch`, `memory`, `interop`, `report`, `serve`, `data` and the plain arithmetic of
//! `diffusion` never touch libtorch (the control plane). `model`, `ops`, `fidelity`, `train` and `worker` do, behind
//! the feature `torch`.

pub mod calibration;
pub mod cli;
pub mod config;
pub mod data;
pub mod diffusion;
#[cfg(feature = "torch")]
pub mod fidelity;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
pub mod guard;
pub mod interop;
pub mod launch;
pub mod memory;
#[cfg(feature = "torch")]
pub mod model;
#[cfg(feature = "torch")]
pub mod ops;
pub mod plan;
pub mod report;
pub mod rundir;
pub mod serve;
pub mod sizing;
#[cfg(feature = "torch")]
pub mod train;
#[cfg(feature = "torch")]
pub mod worker;
