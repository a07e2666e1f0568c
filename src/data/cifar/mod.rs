//! CIFAR-10 and CIFAR-100, from the binary batches as they are published.
//!
//! In: a folder that has the batches, or has the archive's own folder. Out: 50,000 training and 10,000 test
//! images (as many as the files hold) of 32 × 32 RGB pixels, fitted to the size asked for. A record is one
//! label byte (CIFAR-10) or two (CIFAR-100: coarse, fine), then 1,024 bytes each of red, green and blue, row
//! after row. The labels serve to notice another format under the same name: the networks here are
//! unconditional.

mod records;

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use super::error::Error;
use super::reader::{Images, Part, Reader, Shape, place_of, stamp};
use records::Records;

/// Side of a published image.
const NATIVE_SIZE: usize = 32;
/// Bytes of a published image.
const IMAGE_BYTES: usize = 3 * NATIVE_SIZE * NATIVE_SIZE;
/// Changes with every change of a decoded pixel.
const VERSION: u32 = 1;

/// What tells the two data sets apart.
#[derive(Debug)]
pub(super) struct Family {
    /// As in `data.dataset`; hashed into image ids.
    name: &'static str,
    /// As the publisher writes it.
    title: &'static str,
    /// The archive's own folder.
    pub(super) nested: &'static [&'static str],
    train: &'static [&'static str],
    test: &'static [&'static str],
    /// Images of each training file and of the test file, as published.
    published: [usize; 2],
    /// How many classes each label byte tells apart.
    classes: &'static [u8],
    help: &'static str,
}

/// Ten classes.
pub(super) static CIFAR10: Family = Family {
    name: "cifar10",
    title: "CIFAR-10",
    nested: &["cifar-10-batches-bin"],
    train: &[
        "data_batch_1.bin",
        "data_batch_2.bin",
        "data_batch_3.bin",
        "data_batch_4.bin",
        "data_batch_5.bin",
    ],
    test: &["test_batch.bin"],
    published: [10_000, 10_000],
    classes: &[10],
    help: "`ablate data fetch cifar10` brings them; or unpack the \"CIFAR-10 binary version\" (not the Python \
           version) there, or set data.root to the folder that has them",
};

/// A hundred classes in twenty groups.
pub(super) static CIFAR100: Family = Family {
    name: "cifar100",
    title: "CIFAR-100",
    nested: &["cifar-100-binary"],
    train: &["train.bin"],
    test: &["test.bin"],
    published: [50_000, 10_000],
    classes: &[20, 100],
    help: "`ablate data fetch cifar100` brings them; or unpack the \"CIFAR-100 binary version\" (not the Python \
           version) there, or set data.root to the folder that has them",
};

/// The reader of either data set: lengths checked, no image read yet.
#[derive(Debug)]
pub(super) struct Cifar {
    family: &'static Family,
    folder: PathBuf,
    train: Vec<Batch>,
    test: Vec<Batch>,
    shape: Shape,
}

/// One of the published files.
#[derive(Debug, Clone)]
struct Batch {
    path: PathBuf,
    stamp: String,
    images: usize,
}

impl Cifar {
    /// Finds and checks the files in `folder`.
    pub(super) fn open(
        family: &'static Family,
        folder: &Path,
        image_size: usize,
        channels: usize,
    ) -> Result<Self, Error> {
        let names = || family.train.iter().chain(family.test);
        let mut places = family.nested.iter().map(|nested| folder.join(nested));
        let has_any = |place: &PathBuf| names().any(|name| place.join(name).exists());
        let place = places.find(has_any).unwrap_or_else(|| folder.to_owned());
        let missing: Vec<String> =
            names().filter(|name| !place.join(name).exists()).map(ToString::to_string).collect();
        if !missing.is_empty() {
            return Err(Error::Missing {
                dataset: family.name,
                folder: folder.to_owned(),
                searched: family.nested,
                missing,
                help: family.help.to_owned(),
            });
        }
        let open = |names: &[&str]| -> Result<Vec<Batch>, Error> {
            names.iter().map(|name| family.batch(place.join(name))).collect()
        };
        Ok(Self {
            train: open(family.train)?,
            test: open(family.test)?,
            shape: Shape::square(channels, image_size),
            folder: place,
            family,
        })
    }

    fn batches(&self, part: Part) -> &[Batch] {
        match part {
            Part::Train => &self.train,
            Part::Test => &self.test,
        }
    }
}

impl Reader for Cifar {
    fn name(&self) -> &'static str {
        self.family.name
    }

    fn place(&self) -> String {
        place_of(&self.folder)
    }

    fn identity(&self) -> String {
        let mut text = format!("version {VERSION}");
        for batch in self.train.iter().chain(&self.test) {
            text.push_str(&format!("\n{}: {}", place_of(&batch.path), batch.stamp));
        }
        text
    }

    fn count(&self, part: Part) -> usize {
        self.batches(part).iter().map(|batch| batch.images).sum()
    }

    fn shape(&self) -> Shape {
        self.shape
    }

    fn notes(&self) -> Vec<String> {
        let [train, test] = self.family.published;
        let batches = self.train.iter().map(|batch| (batch, train));
        let batches = batches.chain(self.test.iter().map(|batch| (batch, test)));
        let unusual = batches.filter(|(batch, published)| batch.images != *published);
        unusual
            .map(|(batch, published)| {
                let (path, images) = (batch.path.display(), batch.images);
                format!("{path} holds {images} images where the published file has {published}")
            })
            .collect()
    }

    fn images(&self, part: Part) -> Result<Box<dyn Images>, Error> {
        let open = |batch: &Batch| {
            let file = File::open(&batch.path).map_err(Error::io("open", &batch.path))?;
            Ok((batch.clone(), file))
        };
        let batches = self.batches(part).iter().map(open).collect::<Result<_, Error>>()?;
        Ok(Box::new(Records { family: self.family, part, shape: self.shape, batches }))
    }
}

impl Family {
    fn record_bytes(&self) -> usize {
        self.classes.len() + IMAGE_BYTES
    }

    fn batch(&self, path: PathBuf) -> Result<Batch, Error> {
        let metadata = fs::metadata(&path).map_err(Error::io("open", &path))?;
        if !metadata.is_file() {
            return Err(self.malformed(&path, "it is not a regular file"));
        }
        let (length, record) = (metadata.len(), self.record_bytes() as u64);
        if length == 0 || length % record != 0 {
            let reason =
                format!("it has {length} bytes, which is no multiple of a record's {record}; fetch it again");
            return Err(self.malformed(&path, reason));
        }
        Ok(Batch { stamp: stamp(&metadata), images: (length / record) as usize, path })
    }

    fn malformed(&self, path: &Path, reason: impl Into<String>) -> Error {
        Error::Malformed { path: path.to_owned(), format: self.title, reason: reason.into() }
    }

    /// A label out of range means that the file is not what its name says.
    fn check_labels(&self, path: &Path, record: usize, labels: &[u8]) -> Result<(), Error> {
        for (&label, &classes) in labels.iter().zip(self.classes) {
            if label >= classes {
                let title = self.title;
                let reason =
                    format!("record {record} has the label {label}; {title} has 0 to {}", classes - 1);
                return Err(self.malformed(path, reason + "; fetch it again"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
pub(super) mod tests;
