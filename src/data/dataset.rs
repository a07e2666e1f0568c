//! Opening a data set: from `[data]` to three splits and a fingerprint.

use std::path::Path;

use crate::config::{Data, Dataset};

use super::cache::{self, Opened, Place};
use super::cifar::{CIFAR10, CIFAR100, Cifar};
use super::error::Error;
use super::folder::Folder;
use super::mnist::{FASHION_MNIST, MNIST, Mnist};
use super::reader::{Part, Reader, Shape};
use super::room::Room;
use super::shapes::Shapes;
use super::split::{Cut, Split, split};
use super::survey::Report;

/// Below, the built-in objects cannot be told apart; above, no image is that large.
const IMAGE_SIZES: std::ops::RangeInclusive<usize> = 8..=1024;

/// The images of a run.
#[derive(Debug)]
pub struct DataSet {
    /// What the network is trained on.
    pub train: Split,
    /// Held out of the training files; selects the best checkpoint.
    pub val: Split,
    /// The publisher's test images; reported, never selected on.
    pub test: Split,
    /// Hash of every pixel, shape and split: equal fingerprints mean equal data. Recorded by a run, and must
    /// match when it resumes.
    pub fingerprint: String,
    /// Images that had to be decoded for this; none where the cache had them.
    pub decoded: usize,
    /// What the user should know: images left out, a rebuilt cache, a folder that cannot be written.
    pub notes: Vec<String>,
}

impl DataSet {
    /// Size of every image.
    #[must_use]
    pub fn shape(&self) -> Shape {
        self.train.shape()
    }
}

/// Opens the data set that `config` names; decoded images are kept in `data_dir` (`runtime.data_dir`).
///
/// # Errors
/// If files are missing, damaged or unreadable, or a key of `[data]` does not fit the images.
pub fn open(config: &Data, data_dir: &Path) -> Result<DataSet, Error> {
    open_reporting(config, data_dir, &mut |_, _| {})
}

/// As [`open`]; where the images have to be decoded, `report` is told now and then how many are done, and of
/// how many.
///
/// # Errors
/// As [`open`].
pub fn open_reporting(
    config: &Data,
    data_dir: &Path,
    report: &mut dyn FnMut(usize, usize),
) -> Result<DataSet, Error> {
    open_in(config, data_dir, Place::MayBeMade, None, report)
}

/// As [`open_reporting`], for a run that another command laid out: `data_dir` is taken as it is found.
///
/// # Errors
/// As [`open`].
pub fn open_as_found(
    config: &Data,
    data_dir: &Path,
    report: &mut dyn FnMut(usize, usize),
) -> Result<DataSet, Error> {
    open_in(config, data_dir, Place::AsFound, None, report)
}

/// As [`open`], with so much room for the decoded images.
pub(super) fn open_in(
    config: &Data,
    data_dir: &Path,
    place: Place,
    room: Option<Room>,
    report: Report<'_>,
) -> Result<DataSet, Error> {
    let reader = find(config, data_dir)?;
    let Opened { store, mut notes, decoded } = cache::open(reader.as_ref(), data_dir, place, room, report)?;
    let decoded = if decoded { store.extent().images() } else { 0 };
    let cut = Cut::new(store.extent().train, config.validation_fraction, config.limit)?;
    if let Some(limit) = config.limit
        && limit > cut.train
    {
        notes.push(format!("data.limit = {limit} changes nothing: there are {} training images", cut.train));
    }
    if config.root.is_some() && config.dataset == Dataset::Shapes {
        notes.push("data.root changes nothing: the shapes are built in".to_owned());
    }
    if config.skip_corrupt && config.dataset != Dataset::Folder {
        let name = config.dataset.name();
        notes.push(format!("data.skip_corrupt changes nothing: {name} is whole or refused"));
    }
    let ([train, val, test], fingerprint) = split(store, cut);
    Ok(DataSet { train, val, test, fingerprint, decoded, notes })
}

/// Checks cheaply, before anything is launched, that [`open`] will find its files and has images for every
/// split: lists files and reads headers, decodes and writes nothing.
///
/// # Errors
/// As [`open`], except for damage beyond a file's header.
pub fn check(config: &Data, data_dir: &Path) -> Result<(), Error> {
    let reader = find(config, data_dir)?;
    Cut::new(reader.count(Part::Train), config.validation_fraction, config.limit).map(|_| ())
}

/// Where else than in the data set's own folder its files may lie, below that folder.
pub(crate) fn nested_places(dataset: &str) -> &'static [&'static str] {
    let families = [(Dataset::Mnist, MNIST.nested), (Dataset::FashionMnist, FASHION_MNIST.nested)];
    let cifar = [(Dataset::Cifar10, CIFAR10.nested), (Dataset::Cifar100, CIFAR100.nested)];
    let mut known = families.into_iter().chain(cifar);
    known.find(|(known, _)| known.name() == dataset).map_or(&[], |(_, nested)| nested)
}

fn find(config: &Data, data_dir: &Path) -> Result<Box<dyn Reader>, Error> {
    let (size, channels) = (config.image_size, config.in_channels);
    let refuse = |key, value: usize, reason: &str| {
        Err(Error::Setting { key, value: value.to_string(), reason: reason.to_owned() })
    };
    if !IMAGE_SIZES.contains(&size) {
        return refuse("image_size", size, "is outside 8 to 1024 pixels");
    }
    if ![1, 3].contains(&channels) {
        return refuse("in_channels", channels, "is neither 1 (grey) nor 3 (colour)");
    }
    let root = config.root.clone().unwrap_or_else(|| data_dir.join(config.dataset.name()));
    Ok(match config.dataset {
        Dataset::Shapes => Box::new(Shapes::new(size, channels)),
        Dataset::Mnist => Box::new(Mnist::open(&MNIST, &root, size, channels)?),
        Dataset::FashionMnist => Box::new(Mnist::open(&FASHION_MNIST, &root, size, channels)?),
        Dataset::Cifar10 => Box::new(Cifar::open(&CIFAR10, &root, size, channels)?),
        Dataset::Cifar100 => Box::new(Cifar::open(&CIFAR100, &root, size, channels)?),
        Dataset::Folder => Box::new(Folder::open(&root, size, channels, config.skip_corrupt)?),
    })
}

#[cfg(test)]
#[path = "dataset_tests.rs"]
mod tests;
