//! Opening a data set: from `[data]` to three splits and a fingerprint.

use std::path::Path;

use crate::config::{Data, Dataset};

use super::cache;
use super::cifar::{CIFAR10, CIFAR100, Cifar};
use super::error::Error;
use super::folder::Folder;
use super::mnist::{FASHION_MNIST, MNIST, Mnist};
use super::reader::{Part, Reader, Shape};
use super::room::Room;
use super::shapes::Shapes;
use super::split::{Cut, Split, split};

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
    open_in(config, data_dir, None)
}

/// As [`open`], with so much room for the decoded images.
pub(super) fn open_in(config: &Data, data_dir: &Path, room: Option<Room>) -> Result<DataSet, Error> {
    let reader = find(config, data_dir)?;
    let (store, mut notes) = cache::open(reader.as_ref(), data_dir, room)?;
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
    Ok(DataSet { train, val, test, fingerprint, notes })
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
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::config::defaults;
    use crate::data::mnist::tests::write_mnist;

    fn config(dataset: Dataset) -> Data {
        let (image_size, in_channels) = (if dataset == Dataset::Mnist { 28 } else { 16 }, 1);
        Data { dataset, image_size, in_channels, ..defaults().data }
    }

    fn ids(split: &Split) -> Vec<u64> {
        (0..split.len()).map(|i| split.image_id(i)).collect()
    }

    #[test]
    fn the_built_in_images_fall_into_disjoint_splits() {
        let folder = tempfile::tempdir().unwrap();
        let data = open(&config(Dataset::Shapes), folder.path()).unwrap();
        let splits = [&data.train, &data.val, &data.test];
        assert_eq!(splits.map(Split::len), [7782, 410, 1024]);
        let all: HashSet<u64> = splits.iter().flat_map(|split| ids(split)).collect();
        assert_eq!(all.len(), 8192 + 1024);
        assert_eq!(data.shape(), Shape { channels: 1, height: 16, width: 16 });
        data.train.read(&[7781], &mut [0; 256]).unwrap();
        assert_eq!(data.notes, Vec::<String>::new());
    }

    #[test]
    fn fingerprint_and_held_out_images_are_the_ones_of_every_earlier_version() {
        let folder = tempfile::tempdir().unwrap();
        let data = open(&config(Dataset::Shapes), folder.path()).unwrap();
        assert_eq!(data.fingerprint[..16], *"5ad26e64fdcd00cf");
        assert_eq!(ids(&data.val)[..3], [1333057059557907, 6665645485796536, 8011404478644704]);
    }

    #[test]
    fn splits_are_listed_in_hash_order() {
        let folder = tempfile::tempdir().unwrap();
        let data = open(&config(Dataset::Shapes), folder.path()).unwrap();
        for split in [&data.train, &data.val, &data.test] {
            assert!(ids(split).is_sorted());
            assert_eq!(split.hash_order(3), [0, 1, 2]);
            assert_eq!(split.hash_order(usize::MAX).len(), split.len());
        }
    }

    #[test]
    fn size_channels_and_limit_do_not_move_an_image_between_splits() {
        let folder = tempfile::tempdir().unwrap();
        let base = open(&config(Dataset::Shapes), folder.path()).unwrap();
        let larger = Data { image_size: 20, in_channels: 3, ..config(Dataset::Shapes) };
        let larger = open(&larger, folder.path()).unwrap();
        assert_eq!(ids(&larger.val), ids(&base.val));
        assert_ne!(larger.fingerprint, base.fingerprint);
        let limited = Data { limit: Some(100), ..config(Dataset::Shapes) };
        let limited = open(&limited, folder.path()).unwrap();
        assert_eq!(ids(&limited.val), ids(&base.val));
        assert_eq!(ids(&limited.train), ids(&base.train)[..100]);
        assert_ne!(limited.fingerprint, base.fingerprint);
    }

    #[test]
    fn the_fingerprint_follows_the_content_and_not_the_place_of_the_files() {
        let [one, two] = [(); 2].map(|()| tempfile::tempdir().unwrap());
        write_mnist(&one.path().join("mnist"), 40, 10);
        write_mnist(&two.path().join("digits/MNIST/raw"), 40, 10);
        let first = open(&config(Dataset::Mnist), one.path()).unwrap();
        let elsewhere = Data { root: Some(two.path().join("digits")), ..config(Dataset::Mnist) };
        let second = open(&elsewhere, two.path()).unwrap();
        assert_eq!([&first.train, &first.val, &first.test].map(Split::len), [38, 2, 10]);
        assert_eq!(first.fingerprint, second.fingerprint);

        write_mnist(&one.path().join("mnist"), 41, 10);
        let grown = open(&config(Dataset::Mnist), one.path()).unwrap();
        assert_ne!(grown.fingerprint, first.fingerprint);
    }

    #[test]
    fn check_writes_nothing_and_finds_what_open_would() {
        let folder = tempfile::tempdir().unwrap();
        check(&config(Dataset::Shapes), folder.path()).unwrap();
        let error = check(&config(Dataset::Mnist), folder.path()).unwrap_err();
        assert!(matches!(error, Error::Missing { .. }), "{error}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn sizes_and_channels_that_no_reader_serves_are_refused() {
        let refusal = |data: Data| check(&data, Path::new("none")).unwrap_err().to_string();
        let base = config(Dataset::Shapes);
        assert_eq!(
            refusal(Data { image_size: 7, ..base.clone() }),
            "data.image_size = 7 is outside 8 to 1024 pixels"
        );
        assert_eq!(
            refusal(Data { in_channels: 2, ..base }),
            "data.in_channels = 2 is neither 1 (grey) nor 3 (colour)"
        );
    }

    #[test]
    fn keys_that_change_nothing_are_noted() {
        let folder = tempfile::tempdir().unwrap();
        let data = Data { limit: Some(9000), root: Some("here".into()), ..config(Dataset::Shapes) };
        let notes = open(&data, folder.path()).unwrap().notes;
        assert_eq!(
            notes,
            [
                "data.limit = 9000 changes nothing: there are 7782 training images",
                "data.root changes nothing: the shapes are built in"
            ]
        );
    }
}
