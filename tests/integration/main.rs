//! One integration-test binary: each one links libtorch.

#[cfg(feature = "torch")]
mod bench;
mod bombs;
mod compare;
mod config;
mod config_diff;
mod corruption;
#[cfg(feature = "torch")]
mod corruption_runs;
#[cfg(feature = "torch")]
mod crashes;
#[cfg(feature = "torch")]
mod data;
#[cfg(feature = "torch")]
mod diffusers;
#[cfg(feature = "torch")]
mod drawn;
#[cfg(feature = "torch")]
mod effects;
#[cfg(feature = "torch")]
mod error_points;
mod errors;
#[cfg(feature = "torch")]
mod evaluate;
#[cfg(feature = "torch")]
mod every_key;
#[cfg(feature = "torch")]
mod exchange;
mod experiments;
#[cfg(feature = "torch")]
mod fallback;
mod fetch;
#[cfg(feature = "torch")]
mod folders;
mod formats;
#[cfg(feature = "torch")]
mod full_disk;
mod guide;
mod hostile_data;
#[cfg(feature = "torch")]
mod hostile_runs;
mod hours;
mod house;
#[cfg(feature = "torch")]
mod keeping;
#[cfg(feature = "torch")]
mod kill_points;
#[cfg(feature = "torch")]
mod kills;
#[cfg(feature = "torch")]
mod memory;
#[cfg(feature = "torch")]
mod orphans;
#[cfg(feature = "torch")]
mod ownership;
mod plan_memory;
#[cfg(feature = "torch")]
mod precision;
#[cfg(feature = "torch")]
mod preparation;
#[cfg(feature = "torch")]
mod prune_points;
mod readme;
mod recommend;
mod report;
#[cfg(feature = "torch")]
mod run;
#[cfg(feature = "torch")]
mod sampling;
mod schedule;
#[cfg(feature = "torch")]
mod signals;
mod support;
#[cfg(feature = "torch")]
mod sweep;
#[cfg(feature = "torch")]
mod ten_steps;
mod tensorboard;
#[cfg(feature = "torch")]
mod training;
mod watch;
