//! Configuration: files in, one typed [`Config`] out.
//!
//! ```text
//! files, -s, environment -> source -> layer -> stack -> merge -> derive -> build -> check -> Config
//! ```
//!
//! `source` reads text, `layer` checks it key by key against `keys`, `stack` puts layers in order, `merge`
//! lets the highest win, `derive` works out what follows, `check` holds keys against each other.
//! [`Experiment`] keeps all of it, so that any sweep point can be resolved and any value traced.

mod assign;
mod build;
mod check;
mod check_network;
mod check_sampling;
mod derive;
mod difference;
mod diffusion_alone;
mod experiment;
mod files;
mod fit;
mod identity;
mod imported;
mod json;
pub mod keys;
mod kind;
mod layer;
#[cfg(test)]
mod layers_tests;
mod merge;
mod origin;
mod preset;
mod problem;
mod run_config;
pub mod schema;
mod setting;
mod source;
mod stack;
#[cfg(test)]
mod testing;
mod why;

pub use check_sampling::check_sampling;
pub use difference::{Difference, differences};
pub use diffusion_alone::diffusion_alone;
pub use experiment::Experiment;
pub use fit::Misfit;
pub use identity::{canonical_json, identity, identity_value};
pub use imported::{Given, imported};
pub use kind::{Kind, Range};
pub use preset::Preset;
pub use problem::{Location, Problem, Problems};
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use run_config::parse_run_config;
pub use run_config::{ConfigError, read_run_config, to_toml};
pub use schema::*;
pub(crate) use setting::setting;
pub use stack::{Request, Source};
#[cfg(test)]
pub(crate) use testing::defaults;
pub use why::LayerValue;
