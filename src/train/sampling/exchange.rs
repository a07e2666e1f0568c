//! Samples as numbers, for other programs: one tensor `samples`, f32 [N, C, H, W], in a safetensors file.
//!
//! In: such a file, or images near [-1, 1]. Out: the numbers of the first, or the file of the second, whole or not at
//! all.

use std::collections::HashMap;
use std::path::Path;

use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors, serialize};

use super::MOST_IMAGES;
use crate::guard;
use crate::rundir::{Disk, files};
use crate::train::{Error, TensorsError};

/// Name of the tensor.
const NAME: &str = "samples";
/// Room for the header and for whatever else somebody keeps in the file.
const SPARE_BYTES: u64 = 16 << 20;

/// Reads the tensor of a file that the user named, for images of this shape. Gives its N·C·H·W numbers.
pub(crate) fn read_samples(path: &Path, [c, h, w]: [usize; 3]) -> Result<Vec<f32>, TensorsError> {
    let io = |source| TensorsError::Io { path: path.into(), source };
    let problem = |problem: String| TensorsError::Tensor { path: path.into(), name: NAME.into(), problem };
    let file = guard::open_linked(path).map_err(io)?;
    let limit = u64::from(MOST_IMAGES) * (4 * c * h * w) as u64 + SPARE_BYTES;
    let too_many = || problem(format!("holds more than {MOST_IMAGES} images"));
    let bytes = guard::read_at_most(&file, limit).map_err(io)?.ok_or_else(too_many)?;
    let format = |source| TensorsError::Format { path: path.into(), source };
    let tensors = SafeTensors::deserialize(&bytes).map_err(format)?;
    let view = tensors.tensor(NAME).map_err(|_| problem("is missing".into()))?;
    let (shape, dtype) = (view.shape(), view.dtype());
    if dtype != Dtype::F32 || shape.len() != 4 || shape[1..] != [c, h, w] {
        return Err(problem(format!("is {dtype:?} {shape:?}, not F32 [N, {c}, {h}, {w}]")));
    }
    match shape[0] {
        0 => return Err(problem("holds no image".into())),
        n if n > MOST_IMAGES as usize => return Err(too_many()),
        _ => {}
    }
    let numbers = view.data().chunks_exact(4);
    let values: Vec<f32> =
        numbers.map(|bytes| f32::from_le_bytes(bytes.try_into().expect("chunks of four"))).collect();
    match values.iter().position(|value| !value.is_finite()) {
        Some(place) => Err(problem(format!("has {} in image {}", values[place], place / (c * h * w)))),
        None => Ok(values),
    }
}

/// The numbers of images that are being drawn.
pub(super) struct SamplesFile {
    shape: [usize; 3],
    bytes: Vec<u8>,
}

impl SamplesFile {
    /// For `n` images of this shape.
    pub(super) fn of(n: usize, shape: [usize; 3]) -> Self {
        Self { shape, bytes: Vec::with_capacity(4 * n * shape.iter().product::<usize>()) }
    }

    /// Adds images, one after another.
    pub(super) fn push(&mut self, values: &[f32]) {
        self.bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    }

    /// Writes what was added.
    pub(super) fn write(self, path: &Path) -> Result<(), Error> {
        let [c, h, w] = self.shape;
        let n = self.bytes.len() / (4 * c * h * w);
        let about = HashMap::from([("format".to_owned(), "pt".to_owned())]);
        let file = TensorView::new(Dtype::F32, vec![n, c, h, w], &self.bytes)
            .and_then(|view| serialize([(NAME, view)], Some(about)))
            .map_err(|source| TensorsError::Format { path: path.into(), source })?;
        Ok(files::replace(&Disk, path, &file)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: [usize; 3] = [1, 2, 2];

    fn written(values: &[f32]) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.safetensors");
        let mut file = SamplesFile::of(values.len() / 4, SHAPE);
        values.chunks(4).for_each(|image| file.push(image));
        file.write(&path).unwrap();
        (folder, path)
    }

    fn refusal(path: &Path, shape: [usize; 3]) -> String {
        let error = read_samples(path, shape).unwrap_err().to_string();
        error.replace(&format!("{}: ", path.display()), "")
    }

    #[test]
    fn samples_come_back_bit_for_bit_and_nothing_else_is_left() {
        let values = [f32::MIN_POSITIVE, -0.0, 1.0 / 3.0, 4e30, -1.5, 0.0, 7.0, 1e-40];
        let (folder, path) = written(&values);
        let read = read_samples(&path, SHAPE).unwrap();
        assert_eq!(read.iter().map(|value| value.to_bits()).collect::<Vec<_>>(), values.map(f32::to_bits));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_cannot_be_started_from_is_named() {
        let (folder, path) = written(&[0.5; 8]);
        assert_eq!(refusal(&path, [3, 2, 2]), "tensor samples is F32 [2, 1, 2, 2], not F32 [N, 3, 2, 2]");
        let (_other, path) = written(&[0.0, 0.0, 0.0, 0.0, 0.0, f32::NAN, 0.0, 0.0]);
        assert_eq!(refusal(&path, SHAPE), "tensor samples has NaN in image 1");
        let (_other, path) = written(&[]);
        assert_eq!(refusal(&path, SHAPE), "tensor samples holds no image");
        let path = folder.path().join("bad.safetensors");
        std::fs::write(&path, b"not a header").unwrap();
        assert!(refusal(&path, SHAPE).contains("is not a readable safetensors file"));
        let half = TensorView::new(Dtype::F16, vec![1, 1, 2, 2], &[0; 8]).unwrap();
        std::fs::write(&path, serialize([(NAME, half)], None).unwrap()).unwrap();
        assert_eq!(refusal(&path, SHAPE), "tensor samples is F16 [1, 1, 2, 2], not F32 [N, 1, 2, 2]");
        let named = TensorView::new(Dtype::F32, vec![1, 1, 2, 2], &[0; 16]).unwrap();
        std::fs::write(&path, serialize([("noise", named)], None).unwrap()).unwrap();
        assert_eq!(refusal(&path, SHAPE), "tensor samples is missing");
        assert!(refusal(&folder.path().join("none"), SHAPE).contains("cannot read"));
        assert!(refusal(folder.path(), SHAPE).contains("it is not a regular file"));
    }

    #[test]
    fn a_file_too_long_for_any_number_of_images_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("long.safetensors");
        std::fs::File::create(&path).unwrap().set_len(1 << 40).unwrap();
        assert_eq!(refusal(&path, SHAPE), "tensor samples holds more than 65536 images");
    }
}
