//! One integration-test binary: each one links libtorch.

mod config;
mod corruption;
#[cfg(feature = "torch")]
mod corruption_runs;
#[cfg(feature = "torch")]
mod data;
#[cfg(feature = "torch")]
mod diffusers;
#[cfg(feature = "torch")]
mod effects;
mod errors;
#[cfg(feature = "torch")]
mod every_key;
mod experiments;
mod fetch;
mod formats;
mod house;
#[cfg(feature = "torch")]
mod keeping;
#[cfg(feature = "torch")]
mod precision;
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
