//! Tests of opening data sets: splits, fingerprints, notes and refusals.

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
    assert_eq!(data.fingerprint[..16], *"v2-c3762c0d9c80a");
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
