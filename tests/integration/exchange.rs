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

/// Heads of each level with attention, then of the middle.
fn heads(unet: &Value) -> Vec<u64> {
    let widths: Vec<u64> =
        unet["block_out_channels"].as_array().unwrap().iter().filter_map(Value::as_u64).collect();
    let levels = unet["down_block_types"].as_array().unwrap().iter().zip(&widths);
    let attended = levels.filter(|(block, _)| **block == "AttnDownBlock2D").map(|(_, width)| width);
    let middle = widths.last().filter(|_| unet["add_attention"] == true);
    attended
        .chain(middle)
        .map(|width| width / unet["attention_head_dim"].as_u64().unwrap_or(*width))
        .collect()
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
            // Of a head's width what it comes to: one head is as wide as its level, whichever way it is written.
            let same = match key.as_str() {
                "attention_head_dim" => heads(&ours) == heads(&theirs),
                key => key.starts_with('_') || ours[key] == *value,
            };
            assert!(same, "{}: {key} {value} is {}", path.display(), ours[key]);
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
