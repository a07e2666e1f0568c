//! Networks travel both ways: what diffusers saved is imported and computes the same, what we export is what we trained.
//!
//! `scripts/peers/diffusers/exchange.py` wrote the files; `ABLATE_PEER_EXCHANGE` names a folder with more. A file holds a
//! pipeline to be imported, or says which run of ours was exported, and in both cases what PyTorch made of the network.

use std::path::{Path, PathBuf};

use ablate::config::read_run_config;
use ablate::model::UNet;
use serde_json::Value;

use crate::support::Workplace;
use crate::support::agreement::{self, Worst, assert_agrees};
use crate::support::tensors::TensorFile;
use crate::support::training::Run;

const PIPELINE: &str = "pipeline/";

fn files() -> Vec<PathBuf> {
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/diffusers/exchange");
    let folders = std::env::var_os("ABLATE_PEER_EXCHANGE").map(PathBuf::from).into_iter().chain([ours]);
    let files = folders.flat_map(|folder| std::fs::read_dir(folder).unwrap());
    let paths = files.map(|entry| entry.unwrap().path());
    let mut paths: Vec<PathBuf> =
        paths.filter(|path| path.extension().is_some_and(|extension| extension == "safetensors")).collect();
    paths.sort();
    assert!(paths.len() >= 2);
    paths
}

/// A workplace with the run that the pipeline of a file was imported to; `None` where the file has none.
fn imported(file: &TensorFile) -> Option<(Workplace, Run)> {
    let place = Workplace::new();
    let parts: Vec<&str> = file.under(PIPELINE).collect();
    for part in &parts {
        let name = format!("{PIPELINE}{part}");
        place.write(&name, file.bytes(&name));
    }
    if parts.is_empty() {
        return None;
    }
    place.ablate(&["import", "pipeline", "-o", "imported"]).exits(0);
    let run = Run { path: place.path("imported") };
    Some((place, run))
}

/// The network of a run as its newest checkpoint has it.
fn network(run: &Run, stem: &str) -> UNet {
    let config = read_run_config(&run.path.join("config.toml")).unwrap();
    let step = *run.checkpoints().last().unwrap();
    let weights = run.path.join(format!("checkpoints/step-{step:08}/{stem}.safetensors"));
    agreement::network(&config.model, &config.data, &TensorFile::read(&weights), "")
}

#[test]
fn imported_and_exported_networks_compute_what_those_of_diffusers_do() {
    let mut worst = [(Worst::default(), 0); 2];
    for path in files() {
        let file = TensorFile::read(&path);
        let (place, run, stem, way) = match imported(&file) {
            Some((place, run)) => (Some(place), run, "model", 0),
            None => {
                let run = path.parent().unwrap().join(file.text("run").unwrap());
                (None, Run { path: run }, file.text("weights").unwrap(), 1)
            }
        };
        let found = assert_agrees(&network(&run, stem), &file, &path);
        if place.is_some() {
            // Whoever asks for the average of an imported run gets the same.
            assert_agrees(&network(&run, "ema"), &file, &path);
        }
        let (worst, count) = &mut worst[way];
        (*worst, *count) = (worst.and(found), *count + 1);
    }
    for (way, (worst, count)) in ["imported", "exported"].into_iter().zip(worst) {
        println!("{count} networks {way}: {}", worst.told());
    }
}

#[test]
fn what_was_imported_is_exported_as_diffusers_had_it() {
    for path in files() {
        let file = TensorFile::read(&path);
        let Some((place, _)) = imported(&file) else { continue };
        place.ablate(&["export", "imported", "--to", "diffusers", "back"]).exits(0);
        let text = |bytes: &[u8]| -> Value { serde_json::from_slice(bytes).unwrap() };
        let theirs = text(file.bytes("pipeline/unet/config.json"));
        let ours = text(&std::fs::read(place.path("back/unet/config.json")).unwrap());
        for (key, value) in theirs.as_object().unwrap() {
            // Without attention the width of a head says nothing.
            let idle = key == "attention_head_dim" && !theirs.to_string().contains("AttnDownBlock2D");
            let note = key.starts_with('_');
            assert!(
                ours[key] == *value || idle || note,
                "{}: {key} {value} is {}",
                path.display(),
                ours[key]
            );
        }
        let weights = "unet/diffusion_pytorch_model.safetensors";
        let sent = TensorFile::read(&place.path(format!("pipeline/{weights}")));
        let back = TensorFile::read(&place.path(format!("back/{weights}")));
        assert!(sent.under("").eq(back.under("")), "{}", path.display());
        for name in sent.under("") {
            assert!(sent.bytes(name) == back.bytes(name), "{}: {name}", path.display());
            assert_eq!(sent.shape(name), back.shape(name), "{}: {name}", path.display());
        }
    }
}
