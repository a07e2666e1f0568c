//! Tests of reading a folder: what is told, and that all of it is.

use std::fs;

use serde_json::json;

use super::*;
use crate::interop::Format;
use crate::interop::fixture::{Trained, config};

/// An exported folder, some of whose files are written anew.
fn folder(changes: &[(&str, serde_json::Value)]) -> (Trained, PathBuf) {
    let trained = Trained::with(config());
    let folder = trained.path("folder");
    trained.export(Format::Diffusers, "ema", &folder).unwrap();
    for (name, value) in changes {
        fs::write(folder.join(name), value.to_string()).unwrap();
    }
    (trained, folder)
}

fn refusal(changes: &[(&str, serde_json::Value)]) -> String {
    let (_trained, folder) = folder(changes);
    let text = Source::open(&folder).unwrap_err().to_string();
    text.replace(&folder.display().to_string(), "DIR")
}

#[test]
fn the_problems_of_all_files_are_told_together() {
    let text = refusal(&[
        ("unet/config.json", json!({"sample_size": 8, "act_fn": "gelu"})),
        ("scheduler/scheduler_config.json", json!({"thresholding": true})),
        (
            "model_index.json",
            json!({"vae": ["diffusers", "AutoencoderKL"], "unet": ["diffusers", "UNet1DModel"]}),
        ),
    ]);
    assert_eq!(
        text,
        "error: unet = [\"diffusers\",\"UNet1DModel\"]: only a UNet2DModel can be imported\n  \
         set in DIR/model_index.json\n\n\
         error: vae = [\"diffusers\",\"AutoencoderKL\"]: only pipelines of a network and a scheduler can be imported\n  \
         set in DIR/model_index.json\n\n\
         error: act_fn = \"gelu\": the network's activation is silu\n  set in DIR/unet/config.json\n\n\
         error: thresholding = true: x0 is clipped at fixed values, not at those of each image\n  \
         set in DIR/scheduler/scheduler_config.json\n\n4 problems; nothing was started"
    );
}

#[test]
fn the_pipelines_scheduler_stands_above_what_the_schedulers_file_calls_itself() {
    let index = json!({"_class_name": "DDIMPipeline", "scheduler": ["diffusers", "DDIMScheduler"]});
    let (_trained, folder) = folder(&[("model_index.json", index)]);
    let source = Source::open(&folder).unwrap();
    let (config, _) = source.configure(Path::new("run"), &[], vec![]).unwrap();
    assert_eq!(config.sampling.sampler, crate::config::Sampler::Ddim);
}

#[test]
fn what_the_folder_says_cannot_be_set_and_how_images_are_drawn_can() {
    let (_trained, folder) = folder(&[]);
    let source = Source::open(&folder).unwrap();
    let configure = |target: &str, set: &str| {
        source.configure(Path::new(target), &[set.to_owned()], vec![]).map(|(config, _)| config)
    };
    let config = configure("x/seed-4", "sampling.steps=20").unwrap();
    assert_eq!((config.sampling.steps, config.training.seed, config.name.as_str()), (20, 4, "imported"));
    let refused = configure("x/seed-4", "model.dropout=0.1").unwrap_err().to_string();
    assert!(
        refused.starts_with("error: model.dropout is what the network is, and cannot be set"),
        "{refused}"
    );
    let seed = configure("x/seed-4", "training.seed=5").unwrap_err().to_string();
    assert!(seed.contains("x/seed-4 makes training.seed = 4"), "{seed}");
    assert_eq!(configure("x", "training.seed=5").unwrap().training.seed, 5);
}

#[test]
fn files_that_are_no_configurations_are_refused_by_name() {
    let (_trained, folder) = folder(&[]);
    for (name, content, reason) in [
        ("unet/config.json", &b"\xff\xfe"[..], "unet/config.json cannot be used: it is not UTF-8 text"),
        (
            "scheduler/scheduler_config.json",
            b"[1]",
            "scheduler_config.json cannot be used: it is no JSON object",
        ),
        ("model_index.json", b"", "model_index.json cannot be used: EOF while parsing"),
    ] {
        let path = folder.join(name);
        let before = fs::read(&path).unwrap();
        fs::write(&path, content).unwrap();
        let text = Source::open(&folder).unwrap_err().to_string();
        assert!(text.contains(reason), "{text}");
        fs::write(&path, before).unwrap();
    }
    // Nobody waits for a pipe.
    fs::remove_file(folder.join("model_index.json")).unwrap();
    fs::remove_file(folder.join("unet/config.json")).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, folder.join("unet/config.json"), rustix::fs::Mode::RWXU).unwrap();
    assert!(Source::open(&folder).is_err());
}
