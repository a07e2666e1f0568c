//! A feature extractor given as a TorchScript file.
//!
//! In: 8-bit images. Out: one row of features an image. The file's `forward` takes `[N, 3, H, W]` (grey images are
//! repeated) and gives `[N, D]` or `[N, D, 1, 1]`; where it has an argument `return_features`, that is set. The
//! Inception networks published as TorchScript take 8-bit values and resize by themselves.

use std::io;
use std::path::{Path, PathBuf};

use tch::{Device, Kind, Tensor};
use thiserror::Error;

use super::DeviceName;
use super::module::Module;
use crate::guard;

/// Above any published extractor; the file is held in memory once.
const FILE_LIMIT: u64 = 4 << 30;
/// Above the width of any published extractor.
const MAX_WIDTH: usize = 1 << 16;

/// The values that an extractor wants its pixels in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PixelRange {
    /// 8-bit integers, 0 to 255.
    Uint8,
    /// 32-bit floats, 0 to 1.
    Unit,
    /// 32-bit floats, −1 to 1.
    Signed,
}

/// Why an extractor cannot be used.
#[derive(Debug, Error)]
pub enum ExtractorError {
    /// Its file cannot be read.
    #[error("cannot read the extractor {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Its file is too large to be one.
    #[error("{} is larger than {} GiB, the most that is read of an extractor", path.display(), FILE_LIMIT >> 30)]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// Its file holds no TorchScript module.
    #[error("{} is no TorchScript module that this libtorch can load: {reason}", path.display())]
    NotAModule {
        /// The file.
        path: PathBuf,
        /// libtorch's complaint.
        reason: String,
    },
    /// It does not take such images.
    #[error("{} failed on {images} images of {shape} ({range}): {reason}", path.display())]
    Refused {
        /// The file.
        path: PathBuf,
        /// How many images it was given.
        images: usize,
        /// Their size.
        shape: String,
        /// The range of their values.
        range: &'static str,
        /// libtorch's complaint.
        reason: String,
    },
    /// What it gives are no features.
    #[error(
        "{} gives a tensor of shape {shape:?} for {images} images; wanted are floats of shape [{images}, D] or \
         [{images}, D, 1, 1]",
        path.display()
    )]
    NoFeatures {
        /// The file.
        path: PathBuf,
        /// The shape of what it gave.
        shape: Vec<i64>,
        /// How many images it was given.
        images: usize,
    },
    /// Not every image gets as many features.
    #[error("{} gives {now} features for an image where it gave {before} before", path.display())]
    Uneven {
        /// The file.
        path: PathBuf,
        /// How many it gave first.
        before: usize,
        /// How many it gave then.
        now: usize,
    },
    /// A feature is no number.
    #[error("{} gives features that are not finite", path.display())]
    NotFinite {
        /// The file.
        path: PathBuf,
    },
}

impl PixelRange {
    /// Its word on the command line.
    pub fn name(self) -> &'static str {
        match self {
            PixelRange::Uint8 => "uint8",
            PixelRange::Unit => "unit",
            PixelRange::Signed => "signed",
        }
    }
}

/// A loaded extractor and how it is asked.
#[derive(Debug)]
pub(crate) struct Extractor {
    module: Module,
    path: PathBuf,
    blake3: String,
    range: PixelRange,
    size: Option<usize>,
    device: Device,
}

impl Extractor {
    /// Loads a file onto a device; `size` is what images are resized to before.
    pub(crate) fn open(
        path: &Path,
        range: PixelRange,
        size: Option<usize>,
        device: DeviceName,
    ) -> Result<Self, ExtractorError> {
        let io = |source| ExtractorError::Io { path: path.to_owned(), source };
        let file = guard::open_linked(path).map_err(io)?;
        let bytes = guard::read_at_most(&file, FILE_LIMIT).map_err(io)?;
        let bytes = bytes.ok_or_else(|| ExtractorError::TooLarge { path: path.to_owned() })?;
        let module = Module::load(&bytes, &device.to_string()).map_err(|reason| {
            ExtractorError::NotAModule { path: path.to_owned(), reason: reason_in(&reason) }
        })?;
        let blake3 = blake3::hash(&bytes).to_hex().to_string();
        let device = match device {
            DeviceName::Cpu | DeviceName::Auto => Device::Cpu,
            DeviceName::Cuda(index) => Device::Cuda(index),
            DeviceName::Mps => Device::Mps,
        };
        Ok(Self { module, path: path.to_owned(), blake3, range, size, device })
    }

    /// Hash of the file.
    pub(crate) fn blake3(&self) -> &str {
        &self.blake3
    }

    /// The error that features of another width are.
    pub(crate) fn uneven(&self, before: usize, now: usize) -> ExtractorError {
        ExtractorError::Uneven { path: self.path.clone(), before, now }
    }

    /// Features of images, row after row, and the length of a row (host–device sync).
    ///
    /// # Shapes
    /// - `pixels`: N·C·H·W bytes, C is 1 or 3
    pub(crate) fn features(
        &self,
        pixels: &[u8],
        [channels, height, width]: [usize; 3],
    ) -> Result<(Vec<f32>, usize), ExtractorError> {
        let count = pixels.len() / (channels * height * width);
        let shape = [count, channels, height, width].map(|axis| axis as i64);
        let images = self.prepared(&Tensor::from_slice(pixels).view(shape));
        let out = self.module.features(&images).map_err(|reason| ExtractorError::Refused {
            path: self.path.clone(),
            images: count,
            shape: format!("3x{}x{}", images.size()[2], images.size()[3]),
            range: self.range.name(),
            reason: reason_in(&reason),
        })?;
        let features = self.checked(&out, count)?;
        let mut values = vec![0.0_f32; features.numel()];
        features.copy_data(&mut values, features.numel());
        if !values.iter().all(|value| value.is_finite()) {
            return Err(ExtractorError::NotFinite { path: self.path.clone() });
        }
        Ok((values, features.size()[1] as usize))
    }

    /// Three channels, the size and the range that are wanted, on the device. Made in host memory: not every device
    /// can resize.
    fn prepared(&self, bytes: &Tensor) -> Tensor {
        let mut images = bytes.expand([-1, 3, -1, -1], false);
        if let Some(size) = self.size {
            let size = size as i64;
            // As torchvision resizes: bilinear, averaging where it shrinks.
            images =
                images.to_kind(Kind::Float).internal_upsample_bilinear2d_aa([size, size], false, None, None);
            if self.range == PixelRange::Uint8 {
                images = images.round().clamp(0.0, 255.0).to_kind(Kind::Uint8);
            }
        }
        let images = match self.range {
            PixelRange::Uint8 => images.contiguous(),
            PixelRange::Unit => images.to_kind(Kind::Float) / 255.0,
            PixelRange::Signed => images.to_kind(Kind::Float) / 127.5 - 1.0,
        };
        images.to_device(self.device)
    }

    /// Two axes of 32-bit floats in host memory.
    fn checked(&self, out: &Tensor, images: usize) -> Result<Tensor, ExtractorError> {
        let shape = out.size();
        let wide = matches!(shape[..], [n, d] | [n, d, 1, 1] if n as usize == images && (1..=MAX_WIDTH as i64).contains(&d));
        if !wide || !out.is_floating_point() {
            return Err(ExtractorError::NoFeatures { path: self.path.clone(), shape, images });
        }
        Ok(out.view([shape[0], shape[1]]).to_kind(Kind::Float).to_device(Device::Cpu).contiguous())
    }
}

/// The line of a complaint that says what is wrong: an error inside a module comes after the module's own stack, any
/// other goes on with libtorch's.
fn reason_in(complaint: &str) -> String {
    let inside = complaint.lines().rev().find_map(|line| Some(line.split_once("Error: ")?.1));
    let first = || complaint.lines().map(str::trim).find(|line| !line.is_empty());
    inside.or_else(first).unwrap_or("it does not say why").to_owned()
}

#[cfg(test)]
#[path = "extractor_tests.rs"]
mod tests;
