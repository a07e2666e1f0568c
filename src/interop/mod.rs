//! Exchange with diffusers: its folders in and out.
//!
//! In: a run's checkpoint, or a folder that diffusers wrote. Out: a folder that `DDPMPipeline` and `DDIMPipeline` load,
//! or a run. Nothing is approximated: what the other side cannot say is refused by name and value.
//!
//! ```text
//! Config  -> unet, scheduler -> unet/config.json, scheduler/scheduler_config.json   (export)
//! folder  -> layout -> fields -> unet, scheduler -> Config                          (Source)
//! weights -> tensors, names -> checkpoints/step-00000000                            (import)
//! ```
//!
//! Tensors pass through as bytes, so this needs no libtorch.

mod error;
mod export;
mod fields;
#[cfg(test)]
mod fixture;
mod fresh;
mod import;
mod layout;
mod names;
mod readme;
mod scheduler;
mod source;
mod tensors;
mod unet;

pub use error::InteropError;
pub use export::{Export, Format};
pub use import::import;
pub use source::Source;

/// The version of diffusers whose classes, fields and defaults are meant.
const VERSION: &str = "0.36.0";
