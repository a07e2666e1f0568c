//! Tests of exports, and of what an import makes of them.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::*;
use crate::config::read_run_config;
use crate::interop::fixture::{Trained, config, network, tensors};
use crate::interop::{Source, import};
use crate::rundir::audit::Auditor;
use crate::rundir::provenance::Provenance;
use crate::rundir::{RunDir, State, Status, WeightsFile};

const FILES: [&str; 5] = [
    "README.md",
    "model_index.json",
    "scheduler/scheduler_config.json",
    "unet/config.json",
    "unet/diffusion_pytorch_model.safetensors",
];

fn files(folder: &Path) -> Vec<String> {
    let entries = walkdir::WalkDir::new(folder).sort_by_file_name().into_iter().map(Result::unwrap);
    let files = entries.filter(|entry| entry.file_type().is_file());
    files.map(|entry| entry.path().strip_prefix(folder).unwrap().display().to_string()).collect()
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

#[test]
fn an_export_has_the_files_of_a_pipeline_and_the_weights_asked_for() {
    let trained = Trained::with(config());
    let target = trained.path("out/folder");
    trained.export(Format::Diffusers, "ema", &target).unwrap();
    assert_eq!(files(&target), FILES);
    assert_eq!(fs::read(target.join(FILES[4])).unwrap(), tensors(&trained.network, 1.0));
    let index = json(&target.join("model_index.json"));
    assert_eq!(index["_class_name"], "DDPMPipeline");
    assert_eq!(index["unet"], serde_json::json!(["diffusers", "UNet2DModel"]));
    let readme = fs::read_to_string(target.join("README.md")).unwrap();
    assert!(readme.contains("the ema weights of the run a-1/seed-0 at step 7"), "{readme}");
    assert!(
        readme.contains("num_inference_steps=1000)") && !readme.contains("fewer than the 1000"),
        "{readme}"
    );
    let alone = trained.path("alone");
    fs::create_dir(&alone).unwrap();
    trained.export(Format::Safetensors, "model", &alone).unwrap();
    assert_eq!(files(&alone), ["diffusion_pytorch_model.safetensors"]);
    assert_eq!(fs::read(alone.join(WEIGHTS)).unwrap(), tensors(&trained.network, 0.0));
}

#[test]
fn a_short_chain_says_how_many_steps_the_pipeline_has_to_be_told() {
    let mut config = config();
    (config.diffusion.timesteps, config.diffusion.rescale_betas) = (100, true);
    let trained = Trained::with(config);
    let target = trained.path("out");
    trained.export(Format::Diffusers, "ema", &target).unwrap();
    let readme = fs::read_to_string(target.join("README.md")).unwrap();
    assert!(
        readme.contains("told\n`num_inference_steps=100`, or less.") && !readme.contains("=1000"),
        "{readme}"
    );
}

#[test]
fn both_kinds_of_export_can_be_started_from() {
    let trained = Trained::with(config());
    for (format, name) in [(Format::Diffusers, "a"), (Format::Safetensors, "b")] {
        let target = trained.path(name);
        trained.export(format, "ema", &target).unwrap();
        let found = WeightsFile::find(&target).unwrap();
        assert_eq!(found.blake3, blake3::hash(&tensors(&trained.network, 1.0)).to_hex().to_string());
        found.check_tensors(trained.network.clone()).unwrap();
    }
}

#[test]
fn what_is_in_the_way_stays_and_what_cannot_be_said_writes_nothing() {
    let mut config = config();
    (config.model.channel_multipliers, config.model.attention_resolutions) = (vec![1, 2], vec![8, 4]);
    let trained = Trained::with(config);
    let target = trained.path("out");
    let error = trained.export(Format::Diffusers, "ema", &target);
    // Heads of 4 channels at both levels.
    error.unwrap();
    let again = trained.export(Format::Diffusers, "ema", &target).unwrap_err();
    assert!(again.to_string().ends_with("out is a folder that is not empty"), "{again}");
    let mut config = trained.config.clone();
    config.model.attention_head_dim = Some(8);
    config.model.channel_multipliers = vec![1, 4];
    let trained = Trained::with(config);
    let (target, count) = (trained.path("out"), fs::read_dir(trained.folder.path()).unwrap().count());
    let error = trained.export(Format::Diffusers, "ema", &target).unwrap_err();
    assert!(
        error.to_string().starts_with("error: model.attention_head_dim = 8 cannot be exported"),
        "{error}"
    );
    assert_eq!(fs::read_dir(trained.folder.path()).unwrap().count(), count);
    // The weights alone say nothing about heads.
    trained.export(Format::Safetensors, "ema", &target).unwrap();
}

#[test]
fn weights_that_are_not_the_networks_are_not_exported() {
    let mut trained = Trained::with(config());
    trained.config.model.base_channels = 8;
    trained.network = network(&trained.config);
    let error = trained.export(Format::Diffusers, "ema", &trained.path("out")).unwrap_err();
    assert!(error.to_string().contains("does not fit the network"), "{error}");
    assert!(!trained.path("out").exists());
}

#[test]
fn an_import_is_a_whole_run_and_its_export_has_the_same_bytes() {
    let trained = Trained::with(config());
    let (first, second) = (trained.path("first"), trained.path("second"));
    trained.export(Format::Diffusers, "ema", &first).unwrap();
    let target = trained.path("imported/net/seed-3");
    let source = Source::open(&first).unwrap();
    let (config, warnings) = source.configure(&target, &["data.limit=9".to_owned()], vec![]).unwrap();
    assert!(warnings.is_empty());
    let run = import(&source, config, &trained.network, &target).unwrap();
    assert_eq!(run, RunDir::at(&target));
    let config = read_run_config(&run.config_path()).unwrap();
    assert_eq!((&config.model, config.training.seed, config.data.limit), (&trained.config.model, 3, Some(9)));
    let status = Status::read(&run).unwrap().unwrap();
    assert_eq!((status.state, status.step), (State::Done, 0));
    let imported = Provenance::read(&run).unwrap().imported_from.unwrap();
    assert_eq!(imported.folder, first);
    assert_eq!(imported.weights_blake3, blake3::hash(&tensors(&trained.network, 1.0)).to_hex().to_string());
    // Every byte is as a run's is.
    let tensors_of = |config: &Config| network(config);
    let audit = Auditor { fs: &Disk, tensors: &tensors_of }.run(&run);
    assert_eq!((audit.findings.as_slice(), audit.checkpoints), (&[][..], 1));
    for name in ["model.safetensors", "ema.safetensors"] {
        let path = run.checkpoint_path(0).join(name);
        assert_eq!(fs::read(path).unwrap(), tensors(&trained.network, 1.0), "{name}");
    }
    // It is what training from these weights would start with.
    let first_weights = config.training.initial_weights.clone().unwrap();
    let found = WeightsFile::find(&first_weights).unwrap();
    found.check_hash(config.training.initial_weights_blake3.as_ref().unwrap()).unwrap();
    let checkpoint = crate::rundir::checkpoint::verify(&Disk, &run.checkpoint_path(0), None).unwrap();
    let export = Export {
        run: "net/seed-3",
        config: &config,
        checkpoint: &checkpoint,
        stem: "ema",
        label: "ema",
        network: &trained.network,
    };
    export.write(Format::Diffusers, &second).unwrap();
    for name in &FILES[1..] {
        assert_eq!(fs::read(first.join(name)).unwrap(), fs::read(second.join(name)).unwrap(), "{name}");
    }
    let again = import(&source, config, &trained.network, &target).unwrap_err();
    assert!(again.to_string().ends_with("seed-3 is there already"), "{again}");
}
