//! The MNIST handwritten digits and Fashion-MNIST, from the IDX files as they are published.
//!
//! In: a folder. Out: 60,000 training and 10,000 test images (as many as the files hold). Both data sets have
//! the same file names, so each is looked for in a folder of its own. The files may be plain or
//! gzip-compressed, named `train-images-idx3-ubyte` or `train-images.idx3-ubyte`, and lie in the folder itself
//! or where common tools unpack them. Labels are not read: the networks here are unconditional.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::Error;
use super::fit::Fit;
use super::idx::{self, ImageFile};
use super::reader::{Images, Part, Reader, Shape, image_id, place_of};

/// Side of a published image.
const NATIVE_SIZE: usize = 28;
/// Changes with every change of a decoded pixel.
const VERSION: u32 = 1;

/// What tells two data sets of this form apart.
#[derive(Debug)]
pub(super) struct Family {
    /// As in `data.dataset`; hashed into image ids.
    name: &'static str,
    /// Where else than in the folder itself the files may lie.
    pub(super) nested: &'static [&'static str],
    /// How to obtain the files.
    help: &'static str,
}

/// The handwritten digits.
pub(super) static MNIST: Family = Family {
    name: "mnist",
    nested: &["data", "raw", "MNIST/raw", "package/data"],
    help: "`ablate data fetch mnist` brings them; or put the four IDX files of the \"MNIST database of handwritten \
           digits\", plain or .gz, into that folder, or set data.root to the folder that has them",
};

/// Articles of clothing in the form of MNIST.
pub(super) static FASHION_MNIST: Family = Family {
    name: "fashion-mnist",
    nested: &["data", "raw", "FashionMNIST/raw", "data/fashion"],
    help: "`ablate data fetch fashion-mnist` brings them; or put the four IDX files of \"Fashion-MNIST\", plain or \
           .gz, into that folder, or set data.root to the folder that has them",
};

/// The reader of either data set: headers read and checked, no image decoded yet.
#[derive(Debug)]
pub(super) struct Mnist {
    family: &'static Family,
    folder: PathBuf,
    train: ImageFile,
    test: ImageFile,
    fit: Arc<Fit>,
    shape: Shape,
}

impl Mnist {
    /// Finds and checks the files in `folder`.
    pub(super) fn open(
        family: &'static Family,
        folder: &Path,
        image_size: usize,
        channels: usize,
    ) -> Result<Self, Error> {
        let parts = Part::ALL.map(|part| (family.find(folder, part), file_names(part)));
        let [(Some(train), _), (Some(test), _)] = &parts else {
            let absent = parts.into_iter().filter(|(found, _)| found.is_none());
            return Err(family.missing(folder, absent.map(|(_, names)| names.join(" or ")).collect()));
        };
        Ok(Self {
            family,
            folder: folder.to_owned(),
            train: open_native(train)?,
            test: open_native(test)?,
            fit: Arc::new(Fit::new(NATIVE_SIZE, image_size)),
            shape: Shape::square(channels, image_size),
        })
    }

    fn file(&self, part: Part) -> &ImageFile {
        match part {
            Part::Train => &self.train,
            Part::Test => &self.test,
        }
    }
}

impl Reader for Mnist {
    fn name(&self) -> &'static str {
        self.family.name
    }

    fn place(&self) -> String {
        place_of(&self.folder)
    }

    fn identity(&self) -> String {
        let mut text = format!("version {VERSION}");
        for file in [&self.train, &self.test] {
            text.push_str(&format!("\n{}: {}", place_of(file.path()), file.stamp));
        }
        text
    }

    fn count(&self, part: Part) -> usize {
        self.file(part).count
    }

    fn shape(&self) -> Shape {
        self.shape
    }

    fn images(&self, part: Part) -> Result<Box<dyn Images>, Error> {
        let native = self.file(part).pixels()?;
        let fit = Arc::clone(&self.fit);
        Ok(Box::new(Pictures { dataset: self.family.name, fit, channels: self.shape.channels, part, native }))
    }
}

/// A part, decompressed: 47 MB for the published files.
#[derive(Debug)]
struct Pictures {
    dataset: &'static str,
    fit: Arc<Fit>,
    channels: usize,
    part: Part,
    native: Vec<u8>,
}

impl Images for Pictures {
    fn read(&self, position: usize, pixels: &mut [u8]) -> Result<u64, Error> {
        const BYTES: usize = NATIVE_SIZE * NATIVE_SIZE;
        let native = &self.native[position * BYTES..][..BYTES];
        let (first, others) = pixels.split_at_mut(pixels.len() / self.channels);
        self.fit.apply(native, first);
        for channel in others.chunks_exact_mut(first.len()) {
            channel.copy_from_slice(first);
        }
        Ok(image_id(self.dataset, self.part, position as u64, native))
    }

    fn label(&self, position: usize) -> String {
        format!("image {position} of {} of {}", self.part.name(), self.dataset)
    }
}

impl Family {
    fn find(&self, folder: &Path, part: Part) -> Option<PathBuf> {
        let nested = self.nested.iter().map(|nested| folder.join(nested));
        let places = std::iter::once(folder.to_owned()).chain(nested);
        let mut candidates = places.flat_map(|place| file_names(part).map(|name| place.join(name)));
        candidates.find(|path| path.exists())
    }

    fn missing(&self, folder: &Path, missing: Vec<String>) -> Error {
        Error::Missing {
            dataset: self.name,
            folder: folder.to_owned(),
            searched: self.nested,
            missing,
            help: self.help.to_owned(),
        }
    }
}

fn file_names(part: Part) -> [String; 4] {
    let stem = match part {
        Part::Train => "train",
        Part::Test => "t10k",
    };
    let [dashed, dotted] = [format!("{stem}-images-idx3-ubyte"), format!("{stem}-images.idx3-ubyte")];
    [dashed.clone(), dashed + ".gz", dotted.clone(), dotted + ".gz"]
}

fn open_native(path: &Path) -> Result<ImageFile, Error> {
    let file = ImageFile::open(path)?;
    if (file.rows, file.columns) != (NATIVE_SIZE, NATIVE_SIZE) {
        let reason = format!("its images are {} x {} pixels; MNIST has 28 x 28", file.rows, file.columns);
        return Err(idx::malformed(path, reason));
    }
    Ok(file)
}

#[cfg(test)]
#[path = "mnist_tests.rs"]
pub(super) mod tests;
