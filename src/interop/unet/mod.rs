//! `[model]` and the image's shape as the configuration of a `UNet2DModel`, both ways.

mod export;
mod import;

pub(super) use export::export;
pub(super) use import::import;

/// The class.
pub(super) const CLASS: &str = "UNet2DModel";
const DOWN: &str = "DownBlock2D";
const DOWN_ATTENTION: &str = "AttnDownBlock2D";
const UP: &str = "UpBlock2D";
const UP_ATTENTION: &str = "AttnUpBlock2D";
const MIDDLE: &str = "UNetMidBlock2D";

#[cfg(test)]
#[path = "../unet_tests.rs"]
mod tests;
