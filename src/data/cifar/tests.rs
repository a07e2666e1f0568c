//! Tests of the CIFAR readers on files written here in the published formats.

use super::*;

/// A record's labels and pixels, told apart by every byte's place.
fn record(classes: &[u8], number: usize, salt: usize) -> Vec<u8> {
    let labels = classes.iter().map(|&classes| ((number * 7 + salt) % usize::from(classes)) as u8);
    labels.chain(image(number, salt)).collect()
}

fn image(number: usize, salt: usize) -> impl Iterator<Item = u8> {
    (0..IMAGE_BYTES)
        .map(move |i| (number * 31 + salt * 101 + i / 1024 * 90 + i % 1024 / 32 * 5 + i % 32) as u8)
}

/// Writes the family's files, `counts` images in each of the training files and in the test file.
pub(in crate::data) fn write(family: &Family, folder: &Path, counts: [usize; 2]) {
    fs::create_dir_all(folder).unwrap();
    for (names, count) in [(family.train, counts[0]), (family.test, counts[1])] {
        for (salt, name) in names.iter().enumerate() {
            let bytes: Vec<u8> = (0..count).flat_map(|i| record(family.classes, i, salt)).collect();
            fs::write(folder.join(name), bytes).unwrap();
        }
    }
}

fn read(reader: &Cifar, part: Part, position: usize) -> Result<(u64, Vec<u8>), Error> {
    let mut pixels = vec![0; reader.shape().values()];
    let id = reader.images(part)?.read(position, &mut pixels)?;
    Ok((id, pixels))
}

fn text(error: Error, folder: &Path) -> String {
    error.to_string().replace(&folder.display().to_string(), "DIR")
}

#[test]
fn every_pixel_of_every_file_is_read_in_the_folder_or_in_the_archives_own() {
    for (family, counts) in [(&CIFAR10, [3, 2]), (&CIFAR100, [8, 4])] {
        for nested in ["", family.nested[0]] {
            let folder = tempfile::tempdir().unwrap();
            write(family, &folder.path().join(nested), counts);
            let reader = Cifar::open(family, folder.path(), 32, 3).unwrap();
            let train = counts[0] * family.train.len();
            assert_eq!(Part::ALL.map(|part| reader.count(part)), [train, counts[1]]);
            for position in 0..train {
                let (salt, number) = (position / counts[0], position % counts[0]);
                let (_, pixels) = read(&reader, Part::Train, position).unwrap();
                assert!(pixels.iter().copied().eq(image(number, salt)), "image {position}");
            }
            assert!(read(&reader, Part::Test, 1).unwrap().1.into_iter().eq(image(1, 0)));
        }
    }
}

#[test]
fn counts_that_differ_from_the_published_ones_are_noted() {
    let folder = tempfile::tempdir().unwrap();
    write(&CIFAR100, folder.path(), [7, 10_000]);
    let notes = Cifar::open(&CIFAR100, folder.path(), 32, 3).unwrap().notes();
    let path = folder.path().join("train.bin");
    assert_eq!(notes, [format!("{} holds 7 images where the published file has 50000", path.display())]);
}

#[test]
fn another_size_and_grey_keep_the_id_and_the_mean() {
    let folder = tempfile::tempdir().unwrap();
    write(&CIFAR10, folder.path(), [2, 1]);
    let open = |size, channels| Cifar::open(&CIFAR10, folder.path(), size, channels).unwrap();
    let mean = |pixels: &[u8]| pixels.iter().map(|&v| f64::from(v)).sum::<f64>() / pixels.len() as f64;
    let (id, native) = read(&open(32, 3), Part::Train, 2).unwrap();
    let (small_id, small) = read(&open(16, 3), Part::Train, 2).unwrap();
    let (grey_id, grey) = read(&open(32, 1), Part::Train, 2).unwrap();
    assert_eq!([small_id, grey_id], [id; 2]);
    assert!((mean(&small) - mean(&native)).abs() < 2.0);
    let weighted = |i: usize| {
        0.299 * f64::from(native[i])
            + 0.587 * f64::from(native[1024 + i])
            + 0.114 * f64::from(native[2048 + i])
    };
    assert!((0..1024).all(|i| (f64::from(grey[i]) - weighted(i)).abs() < 0.51));
}

#[test]
fn missing_files_are_named_with_the_remedy() {
    let folder = tempfile::tempdir().unwrap();
    write(&CIFAR10, folder.path(), [1, 1]);
    for name in ["data_batch_2.bin", "test_batch.bin"] {
        fs::remove_file(folder.path().join(name)).unwrap();
    }
    let error = Cifar::open(&CIFAR10, folder.path(), 32, 3).unwrap_err();
    assert_eq!(
        text(error, folder.path()),
        "the data set cifar10 is not complete in DIR\n  looked there and in its folders cifar-10-batches-bin \
         for\n    data_batch_2.bin\n    test_batch.bin\n  help: `ablate data fetch cifar10` brings them; or unpack \
         the \"CIFAR-10 binary version\" (not the Python version) there, or set data.root to the folder that has \
         them"
    );
}

#[test]
fn a_cut_file_and_a_file_of_the_other_data_set_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    write(&CIFAR10, folder.path(), [2, 1]);
    let path = folder.path().join("data_batch_3.bin");
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..3100]).unwrap();
    let error = Cifar::open(&CIFAR10, folder.path(), 32, 3).unwrap_err();
    assert_eq!(
        text(error, folder.path()),
        "DIR/data_batch_3.bin is not a usable CIFAR-10 file: it has 3100 bytes, which is no multiple of a record's \
         3073; fetch it again"
    );
    let mut other = whole.clone();
    other[3073] = 99;
    fs::write(&path, other).unwrap();
    let reader = Cifar::open(&CIFAR10, folder.path(), 32, 3).unwrap();
    assert_eq!(
        text(read(&reader, Part::Train, 5).unwrap_err(), folder.path()),
        "DIR/data_batch_3.bin is not a usable CIFAR-10 file: record 1 has the label 99; CIFAR-10 has 0 to 9; fetch \
         it again"
    );
}
