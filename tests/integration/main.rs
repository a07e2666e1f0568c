//! One integration-test binary: each one links libtorch.

#[cfg(feature = "torch")]
mod data;
#[cfg(feature = "torch")]
mod diffusers;
#[cfg(feature = "torch")]
mod effects;
mod errors;
#[cfg(feature = "torch")]
mod every_key;
mod house;
mod readme;
#[cfg(feature = "torch")]
mod resume;
#[cfg(feature = "torch")]
mod run;
mod support;
