//! The standard error over images, by closed forms, and what is not believed.

use std::fs;
use std::path::Path;

use super::*;
use crate::report::fixture::row;

const HEADER: &str = "step,weights,image,part,loss,denoise_score,denoise_bits\n";

/// A seed whose value is the mean of these, with the file that says so.
fn seed(folder: &Path, name: &str, values: &[(u64, u32, f64)]) -> Seed {
    let path = folder.join(name);
    let rows: String = values
        .iter()
        .rev()
        .map(|(id, part, value)| {
            format!("20,ema-0.9,x{id:016x},{part},,{value},\n20,raw,x{id:016x},{part},,9,\n")
        })
        .collect();
    let old = "10,ema-0.9,x0000000000000001,0,,7,\n";
    fs::write(&path, format!("{HEADER}{old}{rows}")).unwrap();
    let mean = values.iter().map(|value| value.2).sum::<f64>() / values.len() as f64;
    let mut seed = row("a", &[mean]).seeds.remove(0);
    seed.point.as_mut().unwrap().step = 20;
    seed.shares = Some(Shares { path, weights: "ema-0.9".to_owned(), column: "denoise_score".to_owned() });
    seed
}

#[test]
fn a_difference_is_taken_image_by_image_before_its_spread_is() {
    let folder = tempfile::tempdir().unwrap();
    let left = seed(folder.path(), "left", &[(1, 0, 1.0), (2, 0, 5.0), (3, 0, 9.5)]);
    let right = seed(folder.path(), "right", &[(1, 0, 0.5), (2, 0, 4.0), (3, 0, 9.0)]);
    let images = Images::read([&left, &right].into_iter());
    let found = images.error([(1.0, &left), (-1.0, &right)].into_iter()).unwrap();
    // The differences 0.5, 1 and 0.5 have variance 1/12, whatever the spread of the values.
    assert!((found - (1.0_f64 / 36.0).sqrt()).abs() < 1e-12, "{found}");
    let alone = images.error([(1.0, &left)].into_iter()).unwrap();
    assert!(alone > 2.0, "{alone}");
}

#[test]
fn parts_measured_at_other_noise_levels_are_no_spread() {
    let folder = tempfile::tempdir().unwrap();
    let images = [(1, 0, 1.0), (2, 0, 2.0), (3, 1, 101.0), (4, 1, 104.0)];
    let seed = seed(folder.path(), "one", &images);
    let found = Images::read([&seed].into_iter()).error([(1.0, &seed)].into_iter()).unwrap();
    // Two parts of two: (1/2)²·(0.5/2) + (1/2)²·(4.5/2).
    assert!((found - 0.625_f64.sqrt()).abs() < 1e-12, "{found}");
}

#[test]
fn other_images_or_a_single_one_have_no_error() {
    let folder = tempfile::tempdir().unwrap();
    let two = seed(folder.path(), "two", &[(1, 0, 1.0), (2, 0, 2.0)]);
    let others = seed(folder.path(), "others", &[(1, 0, 1.0), (3, 0, 2.0)]);
    let single = seed(folder.path(), "single", &[(1, 0, 1.0), (2, 1, 2.0)]);
    let images = Images::read([&two, &others, &single].into_iter());
    assert!(images.error([(1.0, &two)].into_iter()).is_some());
    assert_eq!(images.error([(1.0, &two), (-1.0, &others)].into_iter()), None);
    assert_eq!(images.error([(1.0, &single)].into_iter()), None);
    assert_eq!(images.error(std::iter::empty()), None);
}

#[test]
fn images_that_do_not_add_up_to_the_value_are_not_believed() {
    let folder = tempfile::tempdir().unwrap();
    let mut seed = seed(folder.path(), "one", &[(1, 0, 1.0), (2, 0, 2.0)]);
    seed.point.as_mut().unwrap().value = 1.6;
    assert_eq!(Images::read([&seed].into_iter()).error([(1.0, &seed)].into_iter()), None);
    for damage in ["20,ema-0.9,xz,0,,1,\n", "20,ema-0.9,x0000000000000001,0,,1,\n", "20,ema-0.9,x5,0\n"] {
        let mut seed = self::seed(folder.path(), "two", &[(1, 0, 1.5), (2, 0, 1.5)]);
        let path = &seed.shares.as_ref().unwrap().path;
        fs::write(path, fs::read_to_string(path).unwrap() + damage).unwrap();
        seed.point.as_mut().unwrap().value = 1.5;
        assert_eq!(Images::read([&seed].into_iter()).error([(1.0, &seed)].into_iter()), None, "{damage}");
    }
}
