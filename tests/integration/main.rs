//! One integration-test binary: each one links libtorch.

mod config;
#[cfg(feature = "torch")]
mod data;
#[cfg(feature = "torch")]
mod diffusers;
#[cfg(feature = "torch")]
mod effects;
#[cfg(feature = "torch")]
mod error_points;
mod errors;
#[cfg(feature = "torch")]
mod every_key;
mod experiments;
#[cfg(feature = "torch")]
mod fallback;
mod fetch;
#[cfg(feature = "torch")]
mod full_disk;
mod house;
#[cfg(feature = "torch")]
mod kill_points;
#[cfg(feature = "torch")]
mod kills;
#[cfg(feature = "torch")]
mod precision;
#[cfg(feature = "torch")]
mod prune_points;
mod readme;
#[cfg(feature = "torch")]
mod resume;
#[cfg(feature = "torch")]
mod run;
mod schedule;
mod support;
#[cfg(feature = "torch")]
mod sweep;
#[cfg(feature = "torch")]
mod training;
