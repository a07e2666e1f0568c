//! Images from a network.
//!
//! `drawing` runs a sampler batch by batch, `grid` is the picture people look at, `exchange` the file of numbers other
//! programs read and write, `request` what a command asks for.

mod drawing;
mod exchange;
mod grid;
mod request;

use crate::config::Config;

pub(super) use drawing::Drawing;
pub(crate) use exchange::read_samples;
pub(super) use grid::Grid;
pub(crate) use request::{Outputs, SampleRequest, sample_to};

/// C, H, W of an image.
pub(crate) fn image_shape(config: &Config) -> [usize; 3] {
    let size = config.data.image_size;
    [config.data.in_channels, size, size]
}

/// Most images that one command draws.
pub(crate) const MOST_IMAGES: u32 = 65_536;
