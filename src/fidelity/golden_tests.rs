//! What torch-fidelity, torchmetrics and scipy make of the same sets; `scripts/peers/features` wrote them, and writes
//! larger ones into the folder of ABLATE_PEER_FEATURES.

use std::path::PathBuf;

use safetensors::SafeTensors;
use serde_json::Value;

use super::pyramid::{band, sides};
use super::sliced::sliced;
use super::{Features, Gaussian, kernel_distance, precision_recall};

/// Where a covariance has no inverse, the libraries add up roots of eigenvalues that should be 0 and are a little off:
/// 1e-5 of the value in the large sets, and 1e-12 everywhere else.
const TOLERANCE: f64 = 1e-4;

struct Golden {
    bytes: Vec<u8>,
    expected: Value,
}

impl Golden {
    fn read() -> Self {
        let folder = std::env::var_os("ABLATE_PEER_FEATURES").map_or_else(
            || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/features"),
            PathBuf::from,
        );
        let expected = std::fs::read_to_string(folder.join("expected.json")).unwrap();
        let bytes = std::fs::read(folder.join("features.safetensors")).unwrap();
        Self { bytes, expected: serde_json::from_str(&expected).unwrap() }
    }

    /// Values and last axis.
    fn tensor(&self, name: &str) -> Option<(Vec<f32>, usize)> {
        let all = SafeTensors::deserialize(&self.bytes).unwrap();
        let view = all.tensor(name).ok()?;
        let values = view.data().chunks_exact(4).map(|value| f32::from_le_bytes(value.try_into().unwrap()));
        Some((values.collect(), *view.shape().last().unwrap()))
    }

    fn features(&self, name: &str) -> Features {
        let (values, width) = self.tensor(name).unwrap();
        Features::new(values, width)
    }

    /// Per set its name, the features, and what others found.
    fn sets(&self) -> impl Iterator<Item = (&String, Features, Features, &Value)> {
        let sets = self.expected["sets"].as_object().unwrap().iter();
        sets.map(|(name, expected)| {
            let of = |which: &str| self.features(&format!("{name}.{which}"));
            (name, of("real"), of("drawn"), expected)
        })
    }
}

fn close(found: f64, expected: &Value, what: &str) {
    let expected = expected.as_f64().unwrap();
    let apart = (found - expected).abs() / expected.abs().max(f64::MIN_POSITIVE);
    println!("{what}: {found} here, {expected} there, {apart:.1e} apart");
    assert!(apart <= TOLERANCE, "{what}: {found} here, {expected} there");
}

#[test]
fn fid_is_that_of_torch_fidelity_and_torchmetrics() {
    for (name, real, drawn, expected) in Golden::read().sets() {
        let fid = Gaussian::of(&real).unwrap().distance(&Gaussian::of(&drawn).unwrap()).unwrap();
        for library in ["torch_fidelity", "torchmetrics"] {
            close(fid, &expected["fid"][library], &format!("fid of {name} ({library})"));
        }
    }
}

#[test]
fn kid_is_that_of_torch_fidelity_and_torchmetrics() {
    let mut exact = 0;
    for (name, real, drawn, expected) in Golden::read().sets() {
        let found = kernel_distance(&real, &drawn);
        if let Some(kid) = expected.get("kid") {
            exact += 1;
            for library in ["torch_fidelity", "torchmetrics"] {
                close(found.mean, &kid[library], &format!("kid of {name} ({library})"));
            }
        }
        // Other subsets, drawn by other generators: means of 100 differ by a few standard errors at most.
        if let Some(kid) = expected.get("kid_of_subsets") {
            let (std, ours) = (kid["std"].as_f64().unwrap(), found.std.unwrap());
            for library in ["torch_fidelity", "torchmetrics"] {
                let apart = (found.mean - kid[library].as_f64().unwrap()).abs();
                assert!(apart < 5.0 * std * (2.0_f64 / 100.0).sqrt(), "{found:?} here, {kid} there");
            }
            assert!((0.7..1.4).contains(&(ours / std)), "{ours} here, {std} there");
        }
    }
    assert_eq!(exact, 1);
}

#[test]
fn precision_and_recall_are_those_of_torch_fidelity() {
    for (name, real, drawn, expected) in Golden::read().sets() {
        let found = precision_recall(&real, &drawn);
        close(found.precision, &expected["precision"], &format!("precision of {name}"));
        close(found.recall, &expected["recall"], &format!("recall of {name}"));
    }
}

#[test]
fn the_bands_of_a_picture_are_those_that_scipy_filters() {
    let golden = Golden::read();
    let (picture, size) = golden.tensor("picture").unwrap();
    let picture: Vec<f64> = picture.into_iter().map(f64::from).collect();
    let sides = sides(size);
    assert!(sides.len() >= 3);
    assert!(golden.tensor(&format!("band.{}", sides.len())).is_none());
    for (place, side) in sides.into_iter().enumerate() {
        let (expected, width) = golden.tensor(&format!("band.{place}")).unwrap();
        let found = band(&picture, size, place);
        assert_eq!((width, found.len()), (side, side * side));
        let worst = found.iter().zip(&expected).map(|(a, b)| (a - f64::from(*b)).abs()).fold(0.0, f64::max);
        assert!(worst < 2e-5, "{side} pixels: {worst}");
    }
}

#[test]
fn sliced_distances_are_means_of_those_that_scipy_finds() {
    let golden = Golden::read();
    let (directions, width) = golden.tensor("directions").unwrap();
    let directions: Vec<Vec<f64>> =
        directions.chunks(width).map(|row| row.iter().copied().map(f64::from).collect()).collect();
    for (name, expected) in golden.expected["sliced"].as_object().unwrap() {
        let of = |which: &str| golden.tensor(&format!("sliced.{name}.{which}")).unwrap().0;
        close(sliced(&of("left"), &of("right"), &directions), expected, &format!("sliced, {name} sets"));
    }
}
