//! Images from a checkpoint, as a command asks for them.

use std::path::Path;

use super::exchange::SamplesFile;
use super::{Drawing, Grid, image_shape};
use crate::config::{Config, Sampling};
use crate::diffusion::Schedule;
use crate::ops;
use crate::train::{Error, open_device, state};

/// Which network is to draw what.
pub(crate) struct SampleRequest<'a> {
    pub(crate) config: &'a Config,
    pub(crate) settings: &'a Sampling,
    /// Folder of a verified checkpoint.
    pub(crate) checkpoint: &'a Path,
    /// Stem of the checkpoint's file of weights: `model`, `ema`, `ema-0.99`.
    pub(crate) weights: &'a str,
    pub(crate) n: usize,
    pub(crate) seed: u64,
    /// Images per forward pass.
    pub(crate) batch: usize,
    /// Noise to start from, n·C·H·W numbers, instead of the seed's.
    pub(crate) first: Option<&'a [f32]>,
}

/// Where images go.
pub(crate) struct Outputs<'a> {
    /// A picture of all.
    pub(crate) image: &'a Path,
    /// Their numbers.
    pub(crate) tensor: Option<&'a Path>,
}

/// Loads weights and draws. `report` is told the network evaluations so far, counted image by image; `take` is given
/// the values of each batch, near [-1, 1], image after image.
pub(in crate::train) fn draw_samples(
    request: &SampleRequest<'_>,
    report: &mut dyn FnMut(u64),
    take: &mut dyn FnMut(Vec<f32>) -> Result<(), Error>,
) -> Result<(), Error> {
    let SampleRequest { config, settings, n, seed, batch, first, .. } = *request;
    let (_, device) = open_device(config.runtime.device)?;
    if config.runtime.threads > 0 {
        ops::set_threads(config.runtime.threads);
    }
    let schedule = Schedule::new(&config.diffusion)?;
    let network = state::load_network(config, &device, request.checkpoint, request.weights)?;
    let drawing = Drawing { config, settings, schedule: &schedule, n, seed, batch, first, device: &device };
    drawing.draw(&network, report, take)
}

/// Loads weights, draws images and writes them; nothing is written before all are drawn.
pub(crate) fn sample_to(
    request: &SampleRequest<'_>,
    outputs: &Outputs<'_>,
    report: &mut dyn FnMut(u64),
) -> Result<(), Error> {
    let shape = image_shape(request.config);
    let mut grid = Grid::of(shape);
    let mut numbers = outputs.tensor.map(|path| (SamplesFile::of(request.n, shape), path));
    draw_samples(request, report, &mut |values| {
        grid.push(&values);
        if let Some((file, _)) = &mut numbers {
            file.push(&values);
        }
        Ok(())
    })?;
    if let Some((file, path)) = numbers {
        file.write(path)?;
    }
    grid.write(outputs.image)
}
