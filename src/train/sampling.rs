//! Images from a network, and the grid they are shown in.

use std::io::Cursor;
use std::path::Path;

use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use image::{ImageBuffer, ImageFormat, Luma, Rgb};

use super::Error;
use crate::config::{Config, Sampling};
use crate::data::sample_noise;
use crate::diffusion::Schedule;
use crate::diffusion::sampler::{Chain, Network};
use crate::model::{Mode, UNet};
use crate::rundir::{Disk, files};

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
    let chain = Chain { schedule, prediction: config.diffusion.prediction_type, settings };
    let images = draw(&chain, shape, (n, seed, batch), device, &mut |x, t| {
        let t = Tensor::full([x.dims()[0]], t as f32, device);
        network.forward(x, t, Mode::Eval)
    });
    Samples { images, channels: shape[0], size }
}

/// Runs the chain batch by batch. Image i meets the same noise in every batch it may be part of.
fn draw(
    chain: &Chain<'_>,
    shape: [usize; 3],
    (n, seed, batch): (usize, u64, usize),
    device: &Device,
    network: &mut Network<'_>,
) -> Vec<Vec<u8>> {
    let batch = batch.max(1);
    let starts = (0..n).step_by(batch);
    let images = starts.flat_map(|first| {
        let range = first..n.min(first + batch);
        let noise = |draw: u64| noise_batch(seed, range.clone(), draw, shape, device);
        let x = chain.sample(noise(0), network, &mut |step| noise(step as u64 + 1));
        to_bytes(x, range.len())
    });
    images.collect()
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
    let mut bytes = Cursor::new(Vec::new());
    ImageFormat::from_path(path)
        .and_then(|format| {
            if *channels == 1 {
                ImageBuffer::from_fn(w, h, |x, y| Luma([value(x, y, 0)])).write_to(&mut bytes, format)
            } else {
                let pixel = |x, y| Rgb(std::array::from_fn(|c| value(x, y, c)));
                ImageBuffer::from_fn(w, h, pixel).write_to(&mut bytes, format)
            }
        })
        .map_err(|source| Error::Image { path: path.into(), source })?;
    // Whole or not at all, for whoever looks at the folder meanwhile.
    Ok(files::replace_unsynced(&Disk, path, bytes.get_ref())?)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{PredictionType, Sampler, TimestepSpacing, defaults};

    const SHAPE: [usize; 3] = [1, 4, 4];

    fn device() -> Device {
        super::super::open_device(crate::config::Device::Cpu).unwrap().1
    }

    #[test]
    fn the_noise_of_an_image_is_the_same_in_any_batch() {
        let device = device();
        let batch = |range| -> Vec<f32> {
            noise_batch(7, range, 3, SHAPE, &device).into_data().try_into_vec().unwrap()
        };
        let all = batch(0..5);
        assert_eq!([batch(0..2), batch(2..3), batch(3..5)].concat(), all);
        assert!(
            all.chunks(16)
                .enumerate()
                .all(|(i, image)| all.chunks(16).skip(i + 1).all(|other| other != image))
        );
    }

    #[test]
    fn an_image_is_the_same_in_any_batch_whatever_the_sampler() {
        let (schedule, device) = (Schedule::new(&defaults().diffusion).unwrap(), device());
        for sampler in [Sampler::Ddim, Sampler::Ddpm, Sampler::DpmSolverPp] {
            let timestep_spacing = TimestepSpacing::Linspace;
            let settings = Sampling { sampler, timestep_spacing, steps: 6, eta: 1.0, ..defaults().sampling };
            let chain = Chain { schedule: &schedule, prediction: PredictionType::V, settings: &settings };
            let images = |batch, seed| {
                draw(&chain, SHAPE, (5, seed, batch), &device, &mut |x, t| {
                    (x * (1.0 + t as f64 / 500.0)).tanh()
                })
            };
            let all = images(5, 0);
            assert_eq!(all.len(), 5);
            for batch in [1, 2, 64] {
                assert_eq!(images(batch, 0), all, "{sampler:?} in batches of {batch}");
            }
            assert_ne!(images(5, 1), all);
        }
    }
}
