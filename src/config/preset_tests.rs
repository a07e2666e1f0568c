//! Presets keep every rule, alone and combined, and are as large as they say.

use super::*;
use crate::config::schema::{Dataset, ModelInit, Optimizer, Sampler, Variance};
use crate::config::testing::{Folder, refusal};
use crate::config::{Experiment, identity};
use crate::sizing;

/// Presets that a budget may be laid over.
const DATA: [&str; 4] = ["mnist", "cifar10", "celeba64", "imagenet256"];
/// Name, base channels, batch.
const BUDGETS: [(&str, usize, usize); 5] =
    [("tiny", 32, 64), ("small", 64, 64), ("medium", 96, 128), ("large", 128, 64), ("xl", 192, 32)];

/// The configuration of an experiment with a list of presets and nothing else.
fn config(presets: &str) -> Config {
    let folder = Folder::with("x.toml", &format!("preset = {presets}\n"));
    match folder.load("x.toml") {
        Ok(experiment) => experiment.base().clone(),
        Err(problems) => panic!("{presets}: {problems}"),
    }
}

fn parameters(config: &Config) -> u64 {
    sizing::parameters(&config.model, &config.data)
}

#[test]
fn every_preset_alone_is_a_configuration_as_an_experiment_would_have_it() {
    for preset in Preset::all() {
        let loaded = config(&format!("\"{}\"", preset.name));
        let alone = preset.config().unwrap();
        assert_eq!(alone, Config { name: preset.name.to_owned(), ..loaded });
    }
}

/// Counted apart from this program, from the published structure; those marked were also counted by building
/// the networks in PyTorch.
#[test]
fn budgets_over_data_sets_keep_every_rule_and_have_the_counted_parameters() {
    let counted: [[u64; 5]; 4] = [
        // tiny over mnist, small over cifar10 and over celeba64, medium over celeba64's channels at 128 pixels,
        // large over imagenet256: PyTorch.
        [4_023_233, 16_054_145, 36_092_737, 64_139_009, 144_254_593],
        [4_024_387, 16_056_451, 36_096_195, 64_143_619, 144_261_507],
        [15_808_067, 63_151_235, 142_029_507, 252_442_883, 567_874_947],
        [5_345_891, 21_337_283, 47_974_179, 85_256_579, 191_757_891],
    ];
    for (data, counted) in DATA.into_iter().zip(counted) {
        for ((budget, base, batch), counted) in BUDGETS.into_iter().zip(counted) {
            let combined = config(&format!("[\"{data}\", \"{budget}\"]"));
            assert_eq!(parameters(&combined), counted, "{data}, {budget}");
            assert_eq!((combined.model.base_channels, combined.training.batch_size), (base, batch));
            assert!(combined.training.batch_size.is_multiple_of(combined.training.gradient_accumulation));
            // All else is the data set's, and a data set laid over a budget takes its own width back.
            let alone = config(&format!("\"{data}\""));
            assert_eq!(combined.data, alone.data);
            assert_eq!(combined.model.attention_resolutions, alone.model.attention_resolutions);
            let other_way = config(&format!("[\"{budget}\", \"{data}\"]"));
            assert_eq!(other_way.model, alone.model, "{budget}, {data}");
        }
    }
}

#[test]
fn every_data_set_preset_says_its_exact_parameters() {
    let golden = [
        ("mnist", 4_023_233),
        ("cifar10", 16_056_451),
        ("ddpm-cifar10", 35_746_307),
        ("celeba64", 63_151_235),
        ("imagenet256", 85_256_579),
    ];
    for (name, count) in golden {
        let preset = Preset::named(name).unwrap();
        assert_eq!(parameters(&preset.config().unwrap()), count, "{name}");
        let words = preset.text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.contains(&format!("{} parameters", sizing::thousands(count))), "{name}");
    }
    for (name, base, batch) in BUDGETS {
        let preset = Preset::named(name).unwrap();
        assert!(!preset.sets("data.dataset"));
        assert!(preset.text.starts_with(&format!("# Budget: {base} base channels, batches of {batch}; ")));
        assert!(preset.text.contains(&format!("\"{name}\"]")), "{name} shows how it is combined");
    }
}

#[test]
fn every_preset_opens_with_what_it_is() {
    for preset in Preset::all() {
        assert!(preset.text.starts_with("# "), "{}", preset.name);
        assert!((10..100).contains(&preset.summary().len()), "{}: {}", preset.name, preset.summary());
    }
    assert_eq!(Preset::named("mnist").unwrap().summary(), "MNIST: handwritten digits, 28 x 28 grey");
}

#[test]
fn the_network_of_ho_et_al_is_theirs_in_every_number() {
    let config = config("\"ddpm-cifar10\"");
    let (model, training, ema) = (&config.model, &config.training, &config.ema);
    assert_eq!(model.channels(), [128, 256, 256, 256]);
    assert_eq!((model.num_res_blocks, &model.attention_resolutions[..]), (2, &[16][..]));
    // One head as wide as its level.
    assert_eq!(
        (model.num_attention_heads, model.attention_head_dim, model.head_dim(256)),
        (Some(1), None, 256)
    );
    assert_eq!((model.norm_groups, model.norm_eps, model.dropout), (32, 1e-6, 0.1));
    assert_eq!((model.downsample_padding, model.freq_shift, model.flip_sin_to_cos), (0, 1.0, false));
    assert_eq!((model.init, model.mid_attention, model.time_embed_dim), (ModelInit::Ddpm, true, 512));
    assert_eq!((training.steps, training.epochs, training.batch_size), (Some(800_000), None, 128));
    assert_eq!((training.learning_rate, training.warmup_steps, training.grad_clip), (2e-4, 5000, 1.0));
    assert_eq!((training.optimizer, training.weight_decay), (Optimizer::Adam, 0.0));
    assert_eq!((ema.decay.all(), ema.warmup, ema.every), (&[0.9999][..], false, 1));
    assert!(config.data.horizontal_flip && config.data.dataset == Dataset::Cifar10);
    let sampling = &config.sampling;
    assert_eq!((sampling.sampler, sampling.steps), (Sampler::Ddpm, 1000));
    assert_eq!(sampling.variance, Variance::FixedLarge);
}

/// An exact network does not move with the defaults: it states whatever identity depends on.
#[test]
fn the_network_of_ho_et_al_states_every_key_that_counts() {
    let preset = Preset::named("ddpm-cifar10").unwrap();
    let json = identity::identity_value(&preset.config().unwrap());
    for (section, values) in json.as_object().unwrap() {
        for leaf in values.as_object().unwrap().keys() {
            let path = format!("{section}.{leaf}");
            assert!(preset.sets(&path), "{path} comes from the defaults");
        }
    }
}

#[test]
fn an_exact_network_refuses_a_budget_that_its_groups_do_not_fit() {
    assert_eq!(
        refusal("preset = [\"ddpm-cifar10\", \"tiny\"]\n"),
        "error: model.norm_groups = 32 leaves one channel a group at width 32, which erases the time embedding\n  \
         model.base_channels set in presets/tiny.toml:7 (preset \"tiny\")\n  help: these fit: 1, 2, 4, 8, 16"
    );
}

#[test]
fn a_preset_lies_above_the_defaults_and_below_every_file() {
    let folder = Folder::with("x.toml", "preset = [\"tiny\", \"mnist\"]\nextends = [\"y.toml\"]\n");
    folder.write("y.toml", "data.validation_fraction = 0.1\nmodel.attention_resolutions = []\n");
    let experiment = folder.load("x.toml").unwrap();
    let config = experiment.base();
    assert_eq!((config.data.image_size, config.data.in_channels), (28, 1));
    assert_eq!(config.model.channels(), [32, 64, 128]);
    assert!(config.model.attention_resolutions.is_empty());
    let names: Vec<&str> = experiment.sources().iter().map(|source| source.name.as_str()).collect();
    assert_eq!(names[..3], ["default.toml", "presets/tiny.toml", "presets/mnist.toml"]);
}

#[test]
fn a_preset_set_on_the_command_line_takes_the_place_of_the_files() {
    let folder = Folder::with("x.toml", "preset = \"mnist\"\ntraining.batch_size = 8\n");
    let mut request = folder.request("x.toml");
    request.set.push("preset=tiny".into());
    let experiment = Experiment::load(&request).unwrap();
    assert_eq!(experiment.base().data.image_size, 32);
    assert_eq!(experiment.base().training.batch_size, 8);
}

#[test]
fn steps_in_a_file_take_the_place_of_a_presets_epochs() {
    let folder = Folder::with("x.toml", "preset = \"cifar10\"\ntraining.steps = 5\n");
    let training = folder.load("x.toml").unwrap().base().training.clone();
    assert_eq!((training.steps, training.epochs), (Some(5), None));
}

#[test]
fn an_unknown_preset_lists_the_known_ones() {
    assert_eq!(
        refusal("\npreset = [\"cifar10\", \"cifra\"]\n"),
        "error: the preset \"cifra\" does not exist\n  set in x.toml:2\n  \
         help: the presets are \"mnist\", \"cifar10\", \"ddpm-cifar10\", \"celeba64\", \"imagenet256\", \"tiny\", \
         \"small\", \"medium\", \"large\", \"xl\""
    );
    assert!(refusal("preset = 3\n").starts_with("error: preset = 3 is neither a name nor a list of names"));
}
