//! The MNIST handwritten digits, from the IDX files as they are published.
//!
//! In: a folder. Out: 60,000 training and 10,000 test images (as many as the files hold). The files may be
//! plain or gzip-compressed, named `train-images-idx3-ubyte` or `train-images.idx3-ubyte`, and lie in the
//! folder itself or where common tools unpack them. Labels are not read: the networks here are
//! unconditional.

use std::fs;
use std::path::{Path, PathBuf};

use super::error::Error;
use super::fit::Fit;
use super::idx::{self, ImageFile, ImageStream};
use super::reader::{Images, Part, Reader, Shape, image_id};

/// Side of a published image.
const NATIVE_SIZE: usize = 28;
/// Changes with every change of a decoded pixel.
const VERSION: u32 = 1;
/// Where else than in the folder itself the files may lie.
const NESTED: &[&str] = &["data", "raw", "MNIST/raw", "package/data"];

/// The reader of MNIST: headers read and checked, no image decoded yet.
#[derive(Debug)]
pub(super) struct Mnist {
    train: ImageFile,
    test: ImageFile,
    fit: Fit,
    shape: Shape,
}

impl Mnist {
    /// Finds and checks the files in `folder`.
    pub(super) fn open(folder: &Path, image_size: usize, channels: usize) -> Result<Self, Error> {
        let parts = Part::ALL.map(|part| (find(folder, part), file_names(part)));
        let [(Some(train), _), (Some(test), _)] = &parts else {
            let absent = parts.into_iter().filter(|(found, _)| found.is_none());
            return Err(missing(folder, absent.map(|(_, names)| names.join(" or ")).collect()));
        };
        Ok(Self {
            train: open_digits(train)?,
            test: open_digits(test)?,
            fit: Fit::new(NATIVE_SIZE, image_size),
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
        "mnist"
    }

    fn identity(&self) -> String {
        let mut text = format!("version {VERSION}");
        for file in [&self.train, &self.test] {
            let path = fs::canonicalize(file.path()).unwrap_or_else(|_| file.path().to_owned());
            text.push_str(&format!("\n{}: {}", path.display(), file.stamp));
        }
        text
    }

    fn count(&self, part: Part) -> usize {
        self.file(part).count
    }

    fn shape(&self) -> Shape {
        self.shape
    }

    fn images<'a>(&'a self, part: Part) -> Result<Box<dyn Images + 'a>, Error> {
        let stream = self.file(part).images()?;
        Ok(Box::new(Digits {
            reader: self,
            stream,
            part,
            position: 0,
            native: vec![0; NATIVE_SIZE * NATIVE_SIZE],
        }))
    }
}

struct Digits<'a> {
    reader: &'a Mnist,
    stream: ImageStream<'a>,
    part: Part,
    position: u64,
    native: Vec<u8>,
}

impl Images for Digits<'_> {
    fn next(&mut self, pixels: &mut [u8]) -> Result<u64, Error> {
        self.stream.read(&mut self.native)?;
        let (first, others) = pixels.split_at_mut(pixels.len() / self.reader.shape.channels);
        self.reader.fit.apply(&self.native, first);
        for channel in others.chunks_exact_mut(first.len()) {
            channel.copy_from_slice(first);
        }
        let id = image_id("mnist", self.part, self.position, &self.native);
        self.position += 1;
        Ok(id)
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

fn find(folder: &Path, part: Part) -> Option<PathBuf> {
    let places = std::iter::once(folder.to_owned()).chain(NESTED.iter().map(|nested| folder.join(nested)));
    let mut candidates = places.flat_map(|place| file_names(part).map(|name| place.join(name)));
    candidates.find(|path| path.exists())
}

fn open_digits(path: &Path) -> Result<ImageFile, Error> {
    let file = ImageFile::open(path)?;
    if (file.rows, file.columns) != (NATIVE_SIZE, NATIVE_SIZE) {
        let reason = format!("its images are {} x {} pixels; MNIST has 28 x 28", file.rows, file.columns);
        return Err(idx::malformed(path, reason));
    }
    Ok(file)
}

fn missing(folder: &Path, missing: Vec<String>) -> Error {
    Error::Missing {
        dataset: "mnist",
        folder: folder.to_owned(),
        searched: NESTED,
        missing,
        help:
            "the \"MNIST database of handwritten digits\" is published as four IDX files; put them, plain or \
               .gz, into that folder, or set data.root to the folder that has them"
                .to_owned(),
    }
}

#[cfg(test)]
#[path = "mnist_tests.rs"]
pub(super) mod tests;
