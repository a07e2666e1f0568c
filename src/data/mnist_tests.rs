//! Tests of the MNIST reader on small data sets written here in every published layout.

use std::fs;

use super::*;
use crate::data::idx::tests::{gzip, idx_bytes};

const MAGIC: u32 = 0x0000_0803;

fn digits(count: u32, salt: usize) -> Vec<u8> {
    idx_bytes([MAGIC, count, 28, 28], count as usize * 784, |i| (i * 31 + i / 784 * 7 + salt) as u8)
}

/// Writes a small data set in the layout of the published files.
pub(in crate::data) fn write_mnist(folder: &Path, train: u32, test: u32) {
    fs::create_dir_all(folder).unwrap();
    fs::write(folder.join("train-images-idx3-ubyte"), digits(train, 0)).unwrap();
    fs::write(folder.join("t10k-images-idx3-ubyte"), digits(test, 3)).unwrap();
}

fn first_image(folder: &Path, size: usize, channels: usize) -> (u64, Vec<u8>) {
    let reader = Mnist::open(&MNIST, folder, size, channels).unwrap();
    let mut pixels = vec![0; reader.shape().values()];
    let id = reader.images(Part::Train).unwrap().read(0, &mut pixels).unwrap();
    (id, pixels)
}

#[test]
fn both_forms_of_the_names_plain_and_compressed_in_every_layout_are_found() {
    for nested in [&[""], MNIST.nested].concat() {
        for name in file_names(Part::Train) {
            let folder = tempfile::tempdir().unwrap();
            let place = folder.path().join(nested);
            write_mnist(&place, 3, 2);
            let plain = fs::read(place.join("train-images-idx3-ubyte")).unwrap();
            fs::remove_file(place.join("train-images-idx3-ubyte")).unwrap();
            let bytes = if name.ends_with(".gz") { gzip(&plain) } else { plain };
            fs::write(place.join(&name), bytes).unwrap();
            let reader = Mnist::open(&MNIST, folder.path(), 28, 1).unwrap();
            assert_eq!(Part::ALL.map(|part| reader.count(part)), [3, 2], "{nested}/{name}");
        }
    }
}

#[test]
fn a_missing_data_set_names_the_folder_every_file_and_the_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let error = Mnist::open(&MNIST, folder.path(), 28, 1).unwrap_err().to_string();
    assert_eq!(
        error.replace(&folder.path().display().to_string(), "DIR"),
        r#"the data set mnist is not complete in DIR
  looked there and in its folders data, raw, MNIST/raw, package/data for
    train-images-idx3-ubyte or train-images-idx3-ubyte.gz or train-images.idx3-ubyte or train-images.idx3-ubyte.gz
    t10k-images-idx3-ubyte or t10k-images-idx3-ubyte.gz or t10k-images.idx3-ubyte or t10k-images.idx3-ubyte.gz
  help: `ablate data fetch mnist` brings them; or put the four IDX files of the "MNIST database of handwritten digits", plain or .gz, into that folder, or set data.root to the folder that has them"#
    );
}

#[test]
fn only_the_missing_half_is_named() {
    let folder = tempfile::tempdir().unwrap();
    write_mnist(folder.path(), 3, 2);
    fs::remove_file(folder.path().join("t10k-images-idx3-ubyte")).unwrap();
    let error = Mnist::open(&MNIST, folder.path(), 28, 1).unwrap_err().to_string();
    assert!(error.contains("t10k-images") && !error.contains("train-images"), "{error}");
}

#[test]
fn three_channels_repeat_the_grey_one_and_the_id_does_not_depend_on_the_size() {
    let folder = tempfile::tempdir().unwrap();
    write_mnist(folder.path(), 3, 2);
    let (id, grey) = first_image(folder.path(), 28, 1);
    let (rgb_id, rgb) = first_image(folder.path(), 28, 3);
    assert_eq!(rgb, grey.repeat(3));
    let (framed_id, framed) = first_image(folder.path(), 32, 1);
    assert_eq!(framed[2 * 32 + 2..2 * 32 + 30], grey[..28]);
    assert_eq!([rgb_id, framed_id], [id, id]);
}

#[test]
fn images_of_another_size_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    write_mnist(folder.path(), 3, 2);
    let path = folder.path().join("train-images-idx3-ubyte");
    fs::write(&path, idx_bytes([MAGIC, 2, 10, 12], 240, |_| 0)).unwrap();
    let error = Mnist::open(&MNIST, folder.path(), 28, 1).unwrap_err().to_string();
    assert!(error.ends_with("its images are 10 x 12 pixels; MNIST has 28 x 28"), "{error}");
}

#[test]
fn fashion_mnist_has_the_same_files_in_a_folder_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let error = Mnist::open(&FASHION_MNIST, folder.path(), 28, 1).unwrap_err().to_string();
    assert_eq!(
        error.replace(&folder.path().display().to_string(), "DIR"),
        r#"the data set fashion-mnist is not complete in DIR
  looked there and in its folders data, raw, FashionMNIST/raw, data/fashion for
    train-images-idx3-ubyte or train-images-idx3-ubyte.gz or train-images.idx3-ubyte or train-images.idx3-ubyte.gz
    t10k-images-idx3-ubyte or t10k-images-idx3-ubyte.gz or t10k-images.idx3-ubyte or t10k-images.idx3-ubyte.gz
  help: `ablate data fetch fashion-mnist` brings them; or put the four IDX files of "Fashion-MNIST", plain or .gz, into that folder, or set data.root to the folder that has them"#
    );
    write_mnist(&folder.path().join("data/fashion"), 3, 2);
    let read = |family| {
        let reader = Mnist::open(family, &folder.path().join("data/fashion"), 28, 1).unwrap();
        let mut pixels = vec![0; 784];
        (reader.images(Part::Test).unwrap().read(1, &mut pixels).unwrap(), pixels)
    };
    let [(clothes_id, clothes), (digits_id, digits)] = [read(&FASHION_MNIST), read(&MNIST)];
    assert_eq!(clothes, digits);
    assert_ne!(clothes_id, digits_id, "the data set's name is part of an id");
}
