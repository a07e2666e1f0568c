//! `[data]`: which images, at which size.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// `[data]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Data {
    /// Which data set.
    pub dataset: Dataset,
    /// Folder of the data set's files; absent: `<runtime.data_dir>/<dataset>`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub root: Option<PathBuf>,
    /// Width and height in pixels.
    pub image_size: usize,
    /// 1 (grey) or 3 (RGB).
    pub in_channels: usize,
    /// Mirror each training image left to right with probability one half.
    pub horizontal_flip: bool,
    /// Leave unreadable files of a `folder` out instead of refusing the data set.
    pub skip_corrupt: bool,
    /// Share of the training images held out as `val`.
    pub validation_fraction: f64,
    /// Train on this many images at most.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub limit: Option<usize>,
}

/// `data.dataset`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Dataset {
    /// Built in: procedural drawings of everyday objects.
    Shapes,
    /// The MNIST handwritten digits, from IDX files.
    Mnist,
    /// Zalando's articles of clothing, in MNIST's format.
    FashionMnist,
    /// Ten classes of 32 x 32 RGB photographs, from the binary batches.
    Cifar10,
    /// A hundred classes, from the binary batches.
    Cifar100,
    /// The user's own images, found recursively.
    Folder,
}

impl Dataset {
    /// The name as written in a configuration file.
    pub fn name(self) -> &'static str {
        match self {
            Dataset::Shapes => "shapes",
            Dataset::Mnist => "mnist",
            Dataset::FashionMnist => "fashion-mnist",
            Dataset::Cifar10 => "cifar10",
            Dataset::Cifar100 => "cifar100",
            Dataset::Folder => "folder",
        }
    }
}
