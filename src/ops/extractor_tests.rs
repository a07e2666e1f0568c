//! The committed extractor, which `scripts/peers/features/extractor.py` wrote.

use super::*;
use crate::ops;

fn file() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/extractor.pt")
}

fn open(range: PixelRange, size: Option<usize>) -> Extractor {
    ops::open(DeviceName::Cpu).unwrap();
    Extractor::open(&file(), range, size, DeviceName::Cpu).unwrap()
}

fn pixels(count: usize, values: usize) -> Vec<u8> {
    (0..count * values).map(|at| (at * at * 31 % 253) as u8).collect()
}

#[test]
fn features_are_asked_for_by_name_and_are_those_of_each_image() {
    let extractor = open(PixelRange::Uint8, None);
    let images = pixels(3, 3 * 12 * 12);
    let (all, width) = extractor.features(&images, [3, 12, 12]).unwrap();
    // Class scores would be 10, of sum 1.
    assert_eq!((width, all.len()), (16, 48));
    for (image, row) in images.chunks(3 * 12 * 12).zip(all.chunks(16)) {
        let (alone, _) = extractor.features(image, [3, 12, 12]).unwrap();
        assert!(alone.iter().zip(row).all(|(a, b)| (a - b).abs() < 1e-6), "{alone:?} {row:?}");
    }
    assert_eq!(extractor.features(&images, [3, 12, 12]).unwrap().0, all);
    assert_eq!(extractor.blake3(), blake3::hash(&std::fs::read(file()).unwrap()).to_hex().as_str());
}

#[test]
fn a_grey_image_is_given_as_three_equal_channels() {
    let extractor = open(PixelRange::Uint8, None);
    let grey = pixels(1, 100);
    let (one, _) = extractor.features(&grey, [1, 10, 10]).unwrap();
    let (three, _) = extractor.features(&grey.repeat(3), [3, 10, 10]).unwrap();
    assert_eq!(one, three);
}

#[test]
fn images_are_resized_before_where_that_is_asked_for() {
    // Of an even image every size is the same.
    let even = |size: Option<usize>| {
        open(PixelRange::Uint8, size).prepared(&Tensor::full([1, 1, 8, 8], 77, (Kind::Uint8, Device::Cpu)))
    };
    assert_eq!(even(Some(20)).size(), [1, 3, 20, 20]);
    assert_eq!(even(Some(20)).kind(), Kind::Uint8);
    assert_eq!(even(Some(5)).f_eq(77).unwrap().all().int64_value(&[]), 1);
    assert_eq!(even(None).size(), [1, 3, 8, 8]);
}

#[test]
fn pixels_come_in_the_range_that_is_asked_for() {
    let bytes = Tensor::from_slice(&[0_u8, 51, 255]).view([1, 1, 1, 3]);
    let values = |range| -> Vec<f32> {
        let images = open(range, None).prepared(&bytes);
        assert_eq!((images.size(), images.kind()), (vec![1, 3, 1, 3], Kind::Float));
        Vec::try_from(images.view([9]).narrow(0, 0, 3)).unwrap()
    };
    assert_eq!(values(PixelRange::Unit), [0.0, 0.2, 1.0]);
    assert_eq!(values(PixelRange::Signed), [-1.0, -0.6, 1.0]);
}

#[test]
fn what_is_no_extractor_is_refused_by_file_and_reason() {
    let folder = tempfile::tempdir().unwrap();
    let refusal = |path: &Path| {
        let error = Extractor::open(path, PixelRange::Uint8, None, DeviceName::Cpu).unwrap_err().to_string();
        error.replace(&folder.path().display().to_string(), "DIR")
    };
    let missing = refusal(&folder.path().join("none.pt"));
    assert!(missing.starts_with("cannot read the extractor DIR/none.pt: No such file"), "{missing}");
    let text = folder.path().join("text.pt");
    std::fs::write(&text, "hello").unwrap();
    let no_module = refusal(&text);
    assert!(
        no_module.starts_with("DIR/text.pt is no TorchScript module that this libtorch can load: "),
        "{no_module}"
    );
    let half = folder.path().join("half.pt");
    let whole = std::fs::read(file()).unwrap();
    std::fs::write(&half, &whole[..whole.len() / 2]).unwrap();
    assert!(refusal(&half).starts_with("DIR/half.pt is no TorchScript module"), "{}", refusal(&half));
    assert_eq!(refusal(folder.path()), "cannot read the extractor DIR: it is not a regular file");
}

#[test]
fn an_extractor_that_wants_other_images_says_so() {
    let error = open(PixelRange::Unit, None).features(&pixels(2, 64), [1, 8, 8]).unwrap_err().to_string();
    assert!(
        error.ends_with(
            "extractor.pt failed on 2 images of 3x8x8 (unit): wanted are 8-bit images of 3 channels"
        ),
        "{error}"
    );
}

#[test]
fn what_is_not_one_row_of_floats_an_image_is_refused() {
    let extractor = open(PixelRange::Uint8, None);
    let refused = |tensor: Tensor| extractor.checked(&tensor, 2).unwrap_err().to_string();
    let zeros = |shape: &[i64], kind| Tensor::zeros(shape, (kind, Device::Cpu));
    assert!(refused(zeros(&[2, 3, 4], Kind::Float)).ends_with(
        "extractor.pt gives a tensor of shape [2, 3, 4] for 2 images; wanted are floats of shape [2, D] or [2, D, 1, 1]"
    ));
    for (shape, kind) in [(vec![3, 4], Kind::Float), (vec![2, 0], Kind::Float), (vec![2, 4], Kind::Int64)] {
        refused(zeros(&shape, kind));
    }
    assert_eq!(extractor.checked(&zeros(&[2, 4, 1, 1], Kind::Half), 2).unwrap().size(), [2, 4]);
}
