//! Tests of first weights in a plan: found, told apart by content, refused where they cannot serve.

use std::fs;

use safetensors::Dtype;
use safetensors::tensor::TensorView;

use crate::config::{Config, identity};
use crate::plan::Plan;
use crate::plan::fixture::{Written, written};
use crate::sizing::{self, Layer};

const SMALL: &str = "[data]\nimage_size = 8\n[model]\nbase_channels = 8\nchannel_multipliers = [1, 1]\n\
                     num_res_blocks = 1\nattention_resolutions = []\n";

/// Weights of a network, each number made of the byte.
fn weights(config: &Config, byte: u8) -> Vec<u8> {
    let tensors: Vec<_> =
        sizing::layers(&config.model, &config.data).iter().flat_map(Layer::tensors).collect();
    let data: Vec<Vec<u8>> =
        tensors.iter().map(|tensor| vec![byte; 4 * tensor.shape.iter().product::<usize>()]).collect();
    let views = tensors.iter().zip(&data).map(|(tensor, data)| {
        (tensor.name.as_str(), TensorView::new(Dtype::F32, tensor.shape.clone(), data).unwrap())
    });
    safetensors::serialize(views.collect::<Vec<_>>(), None).unwrap()
}

/// An experiment beside files of weights `a`, `b` and `copy`, which equals `a`; `@` in the text is their folder.
fn experiment(more: &str) -> Written {
    let experiment = written("");
    let folder = experiment.path().parent().unwrap().to_path_buf();
    let text = format!("{SMALL}{}", more.replace('@', &folder.display().to_string()));
    fs::write(experiment.path(), SMALL).unwrap();
    let config = experiment.load(&[], &[]).unwrap().base().clone();
    for (name, byte) in [("a", 1), ("copy", 1), ("b", 2)] {
        fs::write(folder.join(name), weights(&config, byte)).unwrap();
    }
    fs::write(experiment.path(), text).unwrap();
    experiment
}

fn plan(experiment: &Written) -> Result<Plan, String> {
    let loaded = experiment.load(&[], &[]).map_err(|problems| experiment.text(&problems))?;
    Plan::build(&loaded).map_err(|problems| experiment.text(&problems))
}

#[test]
fn the_weights_count_and_not_where_they_lie() {
    let sweep = "[sweep.grid]\n\"training.initial_weights\" = [\"@/a\", \"@/b\", \"@/copy\"]\n";
    let experiment = experiment(sweep);
    let plan = plan(&experiment).unwrap();
    assert_eq!((plan.variants.len(), plan.duplicates.len()), (2, 1));
    for (variant, name) in plan.variants.iter().zip(["a", "b"]) {
        let path = experiment.path().with_file_name(name);
        let hash = blake3::hash(&fs::read(&path).unwrap()).to_hex().to_string();
        assert_eq!(variant.config.training.initial_weights_blake3, Some(hash));
        assert_eq!(variant.config.training.initial_weights.as_ref(), Some(&path));
        assert_eq!(variant.identity, identity(&variant.config));
    }
}

#[test]
fn weights_that_cannot_be_started_from_are_refused_before_anything_is_trained() {
    let refusal = |more: &str| plan(&experiment(more)).unwrap_err();
    let missing = refusal("[training]\ninitial_weights = \"@/none\"\n");
    assert!(
        missing.starts_with(
            "error: training.initial_weights: none does not exist\n  set in x.toml:9\n  \
             help: name a run's folder (runs/<experiment>/<variant>/seed-<n>), one of its checkpoints"
        ),
        "{missing}"
    );
    let zeros = "0".repeat(64);
    let other =
        refusal(&format!("[training]\ninitial_weights = \"@/a\"\ninitial_weights_blake3 = \"{zeros}\"\n"));
    assert!(other.contains("error: training.initial_weights_blake3: a has the BLAKE3 hash "), "{other}");
    assert!(other.contains(&format!(", not {zeros}\n  set in x.toml:10\n")), "{other}");
    let wider =
        refusal("[training]\ninitial_weights = \"@/a\"\n[sweep.grid]\n\"model.base_channels\" = [8, 16]\n");
    assert!(
        wider.starts_with(
            "error: training.initial_weights: a does not fit the network: tensor conv_in.weight is [8, 3, 3, 3], \
             the network's is [16, 3, 3, 3]\n  set in x.toml:9 (variant \"bc16\")\n  help: the keys of [model]"
        ),
        "{wider}"
    );
}
