//! The network is the published one: outputs and gradients of diffusers' `UNet2DModel` with the same weights.
//!
//! `scripts/peers/diffusers/networks.py` wrote the files; `ABLATE_PEER_NETWORKS` names a folder with more.

use std::path::{Path, PathBuf};

use ablate::config::{Data, Model};
use ablate::model::{UNet, parameter_names};
use serde::Deserialize;

use crate::support::agreement::{self, Worst, assert_agrees};
use crate::support::tensors::TensorFile;

#[derive(Deserialize)]
struct Config {
    model: Model,
    data: Data,
}

/// The network of a file's configuration, with its weights.
fn network(file: &TensorFile) -> UNet {
    let mut config: serde_json::Value = serde_json::from_str(file.text("config").unwrap()).unwrap();
    // Keys that came after these files were made.
    config["model"]["init"] = "torch".into();
    config["data"]["horizontal_flip"] = false.into();
    config["data"]["skip_corrupt"] = false.into();
    let Config { model, data } = serde_json::from_value(config).unwrap();
    agreement::network(&model, &data, file, "weights/")
}

fn cases() -> Vec<PathBuf> {
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/diffusers");
    let folders = std::env::var_os("ABLATE_PEER_NETWORKS").map(PathBuf::from).into_iter().chain([ours]);
    let files = folders.flat_map(|folder| std::fs::read_dir(folder).unwrap());
    let paths = files.map(|entry| entry.unwrap().path());
    let paths: Vec<PathBuf> =
        paths.filter(|path| path.extension().is_some_and(|extension| extension == "safetensors")).collect();
    assert!(paths.len() >= 3);
    paths
}

#[test]
fn parameters_have_the_published_names_and_shapes() {
    for path in cases() {
        let file = TensorFile::read(&path);
        let mut ours = parameter_names(&network(&file));
        ours.sort();
        let shape = |name: &str| file.shape(&format!("weights/{name}")).to_vec();
        let theirs: Vec<(String, Vec<usize>)> =
            file.under("weights/").map(|name| (name.to_owned(), shape(name))).collect();
        assert_eq!(ours, theirs, "{}", path.display());
    }
}

#[test]
fn outputs_and_every_gradient_equal_those_of_diffusers() {
    let mut worst = Worst::default();
    for path in cases() {
        let file = TensorFile::read(&path);
        worst = worst.and(assert_agrees(&network(&file), &file, &path));
    }
    println!("{} networks of diffusers: {}", cases().len(), worst.told());
}
