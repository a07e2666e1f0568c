//! Images from a network, and the grid they are shown in.

use std::path::Path;

use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use image::{ImageBuffer, Luma, Rgb};

use super::Error;
use crate::config::{Config, Sampler, Sampling};
use crate::data::sample_noise;
use crate::diffusion::Schedule;
use crate::diffusion::sampler::Ddim;
use crate::model::{Mode, UNet};

/// Samples as bytes, each C·H·W.
pub(super) struct Samples {
    images: Vec<Vec<u8>>,
    channels: usize,
    size: usize,
}

/// Draws `n` images: the noise of image i depends on (seed, i) alone, whatever the batch.
pub(super) fn sample(
    network: &UNet,
    config: &Config,
    settings: &Sampling,
    schedule: &Schedule,
    (n, seed, batch): (usize, u64, usize),
    device: &Device,
) -> Samples {
    let network = network.valid();
    let size = config.data.image_size;
    let shape = [config.data.in_channels, size, size];
    if settings.sampler != Sampler::Ddim {
        todo!()
    }
    let chain =
        Ddim { schedule, prediction: config.diffusion.prediction_type, settings, final_alpha_bar: 1.0 };
    let starts: Vec<usize> = (0..n).step_by(batch.max(1)).collect();
    let images = starts.into_iter().flat_map(|first| {
        let range = first..n.min(first + batch);
        let count = range.len();
        let noise = |draw: u64| noise_batch(seed, range.clone(), draw, shape, device);
        let x = chain.sample(
            noise(0),
            &mut |x, t| network.forward(x, Tensor::full([count], t as f32, device), Mode::Eval),
            &mut |step| noise(step as u64 + 1),
        );
        to_bytes(x, count)
    });
    Samples { images: images.collect(), channels: shape[0], size }
}

/// Draw 0 is the start of the chain, draw i+1 the fresh noise of step i.
fn noise_batch(
    seed: u64,
    images: std::ops::Range<usize>,
    draw: u64,
    [c, h, w]: [usize; 3],
    device: &Device,
) -> Tensor<4> {
    let count = images.len();
    let mut values = vec![0.0; count * c * h * w];
    for (image, values) in images.zip(values.chunks_mut(c * h * w)) {
        sample_noise(seed, image as u64, draw, values);
    }
    Tensor::from_data(TensorData::new(values, [count, c, h, w]), device)
}

/// (x/2 + 0.5) clamped to 0…1, then to bytes (host–device sync).
fn to_bytes(x: Tensor<4>, count: usize) -> Vec<Vec<u8>> {
    let values: Vec<f32> = x.into_data().try_into_vec().expect("samples are 32-bit floats");
    let byte = |value: &f32| ((value / 2.0 + 0.5).clamp(0.0, 1.0) * 255.0).round() as u8;
    values.chunks(values.len() / count).map(|image| image.iter().map(byte).collect()).collect()
}

/// Smallest side of a tile in pixels: smaller images are enlarged by a whole factor, so that a person sees them.
const TILE_PIXELS: usize = 56;
const GAP_PIXELS: usize = 4;

/// Writes all samples as one PNG, in rows of about √n.
pub(super) fn write_grid(path: &Path, samples: &Samples) -> Result<(), Error> {
    let Samples { images, channels, size } = samples;
    let columns = (images.len() as f64).sqrt().ceil() as usize;
    let rows = images.len().div_ceil(columns.max(1));
    let factor = TILE_PIXELS.div_ceil(*size);
    let tile = size * factor + GAP_PIXELS;
    let (width, height) = (columns * tile + GAP_PIXELS, rows * tile + GAP_PIXELS);
    let value = |x: u32, y: u32, channel: usize| -> u8 {
        let (x, y) = ((x as usize).wrapping_sub(GAP_PIXELS), (y as usize).wrapping_sub(GAP_PIXELS));
        let (column, row) = (x / tile, y / tile);
        let (inner_x, inner_y) = (x % tile / factor, y % tile / factor);
        let inside = column < columns && inner_x < *size && inner_y < *size;
        match images.get(row * columns + column) {
            Some(image) if inside => image[(channel * size + inner_y) * size + inner_x],
            _ => 255,
        }
    };
    let (w, h) = (width as u32, height as u32);
    let saved = if *channels == 1 {
        ImageBuffer::from_fn(w, h, |x, y| Luma([value(x, y, 0)])).save(path)
    } else {
        ImageBuffer::from_fn(w, h, |x, y| Rgb(std::array::from_fn(|c| value(x, y, c)))).save(path)
    };
    saved.map_err(|source| Error::Image { path: path.into(), source })
}

/// What `ablate sample` asks for.
pub(crate) struct SampleRequest<'a> {
    pub(crate) config: &'a Config,
    pub(crate) settings: &'a Sampling,
    /// Folder of a verified checkpoint.
    pub(crate) checkpoint: &'a Path,
    /// Stem of the checkpoint's file of weights: `model`, `ema`, `ema-0.99`.
    pub(crate) weights: &'a str,
    pub(crate) n: usize,
    pub(crate) seed: u64,
}

/// Images per forward pass outside training.
const BATCH: usize = 64;

/// Loads weights, draws images and writes them as one PNG.
pub(crate) fn sample_to(request: &SampleRequest<'_>, output: &Path) -> Result<(), Error> {
    let SampleRequest { config, settings, .. } = *request;
    let (_, device) = super::open_device(config.runtime.device)?;
    let schedule = Schedule::new(&config.diffusion)?;
    let network = super::state::load_network(config, &device, request.checkpoint, request.weights)?;
    let drawn = (request.n, request.seed, BATCH);
    let samples = sample(&network, config, settings, &schedule, drawn, &device);
    write_grid(output, &samples)
}
