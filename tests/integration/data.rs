//! Data sets as a user has them: files in the published formats, folders of pictures, damaged ones among them.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use ablate::config::{Data, Dataset};
use ablate::data::{self, DataSet, Split};
use image::codecs::jpeg::JpegEncoder;
use image::{ImageFormat, Rgb, RgbImage};
use rustix::process::Signal;

use crate::support::Workplace;
use crate::support::numbers::Numbers;
use crate::support::processes::{Background, PATIENCE, wait_for};
use crate::support::tier::Tier;
use crate::support::training::{TINY, only_run};

/// Bytes that look like noise and are the same in every run of the tests.
fn noise(seed: u64) -> impl Iterator<Item = u8> {
    let mut numbers = Numbers(seed);
    std::iter::repeat_with(move || numbers.next().to_le_bytes()).flatten()
}

fn config(dataset: Dataset, root: &Path, image_size: usize) -> Data {
    let (root, limit) = (Some(root.to_owned()), None);
    let (horizontal_flip, skip_corrupt) = (false, false);
    let validation_fraction = 0.05;
    Data {
        dataset,
        root,
        image_size,
        in_channels: 3,
        horizontal_flip,
        skip_corrupt,
        validation_fraction,
        limit,
    }
}

/// The images of a split, as bytes.
fn images(split: &Split) -> Vec<Vec<u8>> {
    let mut pixels = vec![0; split.shape().values()];
    let mut image = |i| {
        split.read(&[i], &mut pixels).unwrap();
        pixels.clone()
    };
    (0..split.len()).map(&mut image).collect()
}

fn assert_holds(data: &DataSet, train: &BTreeSet<Vec<u8>>, test: &BTreeSet<Vec<u8>>) {
    let found: BTreeSet<Vec<u8>> = [&data.train, &data.val].into_iter().flat_map(images).collect();
    assert!(data.train.len() + data.val.len() == train.len() && found == *train, "training images");
    let found: BTreeSet<Vec<u8>> = images(&data.test).into_iter().collect();
    assert!(data.test.len() == test.len() && found == *test, "test images");
}

#[test]
fn cifar_in_the_published_formats_is_read_back_pixel_by_pixel() {
    let batch = Tier::asked().pick(40, 400, 10_000);
    let cifar10: Vec<(String, usize)> = (1..=5)
        .map(|i| (format!("cifar-10-batches-bin/data_batch_{i}.bin"), batch))
        .chain([("cifar-10-batches-bin/test_batch.bin".to_owned(), batch)])
        .collect();
    let cifar100 = vec![
        ("cifar-100-binary/train.bin".to_owned(), 5 * batch),
        ("cifar-100-binary/test.bin".to_owned(), batch),
    ];
    for (dataset, files, labels) in
        [(Dataset::Cifar10, cifar10, &[10][..]), (Dataset::Cifar100, cifar100, &[20, 100][..])]
    {
        let place = Workplace::new();
        let mut written = [BTreeSet::new(), BTreeSet::new()];
        let mut bytes = noise(labels.len() as u64);
        for (name, count) in &files {
            let mut file = Vec::new();
            for _ in 0..*count {
                file.extend(labels.iter().map(|classes| bytes.next().unwrap() % classes));
                let image: Vec<u8> = bytes.by_ref().take(3072).collect();
                file.extend_from_slice(&image);
                written[usize::from(name.contains("test"))].insert(image);
            }
            place.write(&format!("files/{name}"), file);
        }
        let data = data::open(&config(dataset, &place.path("files"), 32), &place.path("data")).unwrap();
        assert_holds(&data, &written[0], &written[1]);
        assert_eq!(data.notes.len(), if batch == 10_000 { 0 } else { files.len() }, "{:?}", data.notes);
    }
}

/// A picture that JPEG keeps small, of a size that follows from `i`.
fn photograph(i: u32) -> RgbImage {
    let (width, height) = (24 + i * 7 % 90, 20 + i * 13 % 70);
    let wave = |x: u32, y: u32, k: u32| 128.0 + 100.0 * ((x * k + y * (i % 9) + i) as f32 / 20.0).sin();
    RgbImage::from_fn(width, height, |x, y| Rgb([1, 2, 3].map(|k| wave(x, y, k) as u8)))
}

fn jpeg(i: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, 70 + (i % 30) as u8).encode_image(&photograph(i)).unwrap();
    bytes
}

/// A thousand JPEG files of mixed sizes in folders, three of them corrupt.
fn thousand(place: &Workplace) {
    for i in 0..1000 {
        let bytes = jpeg(i);
        let bytes = match i {
            123 => bytes[..bytes.len() / 2].to_vec(),
            456 => [&b"GIF89a"[..], &bytes[6..]].concat(),
            789 => bytes[..700].iter().copied().chain(noise(7).take(bytes.len() - 700)).collect(),
            _ => bytes,
        };
        place.write(&format!("photos/{}/{i:03}.jpg", i % 10), bytes);
    }
}

const PHOTOS: &str = "[data]\ndataset = \"folder\"\nroot = \"photos\"\nimage_size = 16\nin_channels = 3\n";

#[test]
fn of_a_thousand_photographs_three_corrupt_ones_are_named_or_left_out() {
    let place = Workplace::with("x.toml", PHOTOS);
    thousand(&place);
    let what = "3 of 1000 images cannot be used:";
    let which = [
        "photos/3/123.jpg: its JPEG data is cut short",
        "photos/6/456.jpg: it is neither a PNG nor a JPEG nor a WebP file",
        "photos/9/789.jpg: its JPEG data is damaged",
    ];
    let help = "help: restore or remove them, or leave them out with data.skip_corrupt = true";
    for arguments in [&["data", "check", "x.toml"][..], &["run", "x.toml"], &["run", "x.toml"]] {
        let said = place.ablate(arguments).exits(2).stderr;
        for text in which.iter().chain([&what, &help]) {
            assert!(said.contains(text), "{arguments:?}: {said}");
        }
        assert!(!place.path("runs").is_dir(), "{arguments:?} began something");
    }
    let skipping = format!("{PHOTOS}skip_corrupt = true\n");
    place.write("x.toml", &skipping);
    let report = place.ablate(&["data", "check", "x.toml", "--json"]).exits(0).json();
    let counts = ["train", "val", "test"].map(|split| report[0][split].as_u64().unwrap());
    assert_eq!(counts, [947, 50, 0]);
    let notes = report[0]["notes"].to_string();
    assert!(
        notes.contains("3 of 1000 images are left out: photos/3/123.jpg (its JPEG data is cut short)"),
        "{notes}"
    );

    for name in ["3/123", "6/456", "9/789"] {
        fs::remove_file(place.path(format!("photos/{name}.jpg"))).unwrap();
    }
    place.write("x.toml", PHOTOS);
    let clean = place.ablate(&["data", "check", "x.toml", "--json"]).exits(0).json();
    assert_eq!(clean[0]["fingerprint"], report[0]["fingerprint"], "what is left out is not part of the data");
}

#[test]
fn a_run_does_not_go_on_with_other_images() {
    let folder = "limit = 256\ndataset = \"folder\"\nroot = \"photos\"\nskip_corrupt = true";
    let place =
        Workplace::with("x.toml", &TINY.replace("limit = 256", folder).replace("steps = 48", "steps = 400"));
    for i in 0..40 {
        place.write(&format!("photos/{i:02}.jpg"), jpeg(i));
    }
    let running = Background::start(&place, &["run", "x.toml"]);
    wait_for("a checkpoint", PATIENCE, || {
        let run =
            place.path("runs/x").is_dir().then(|| crate::support::training::runs_of(&place).pop())??;
        (!run.checkpoints().is_empty()).then_some(())
    });
    running.send(Signal::INT);
    assert_eq!(running.wait().code(), Some(75));

    let path = place.path("photos/07.jpg");
    let original = fs::read(&path).unwrap();
    photograph(700).save_with_format(&path, ImageFormat::Jpeg).unwrap();
    place.ablate(&["run", "x.toml"]).exits(1);
    let run = only_run(&place);
    let provenance: serde_json::Value = serde_json::from_str(&run.read("provenance.json")).unwrap();
    let recorded = provenance["attempts"][0]["data_fingerprint"].as_str().unwrap();
    let now = place.ablate(&["data", "check", "x.toml", "--json"]).exits(0).json();
    let found = now[0]["fingerprint"].as_str().unwrap();
    assert_ne!(found, recorded);
    let error = run.status().unwrap()["error"].as_str().unwrap().to_owned();
    let told = format!(
        "the data of RUN changed: fingerprint {found}, the run began with {recorded}; restore the data, or delete \
         the run's folder to train it again"
    );
    assert_eq!(error.replace(&run.path.display().to_string(), "RUN"), told);

    fs::write(&path, original).unwrap();
    place.ablate(&["run", "x.toml", "--retry-failed"]).exits(0);
    assert_eq!(run.state(), "done");
}
