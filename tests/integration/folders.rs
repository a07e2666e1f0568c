//! `ablate export` and `ablate import`: folders of diffusers there and back, and what the program makes of folders that
//! somebody else wrote.
//!
//! `scripts/peers/diffusers/folders.py` wrote tests/data/diffusers/folders with diffusers itself; `ABLATE_PEER_FOLDERS`
//! names others that it wrote.

use std::convert::Infallible;
use std::fs;
use std::path::{Path, PathBuf};

use ablate::config::{Config, read_run_config};
use ablate::model::{Mode, UNet};
use burn::tensor::{Device, Tensor, TensorData};
use safetensors::SafeTensors;
use safetensors::tensor::TensorView;
use serde_json::{Value, json};

use crate::support::training::{Run, only_run, runs_of, tiny};
use crate::support::{Ran, Workplace, files_below};

const WEIGHTS: &str = "diffusion_pytorch_model.safetensors";

/// Two steps of training, exported to `out`.
fn exported(more: &str) -> (Workplace, Run) {
    let place = tiny(more);
    place.ablate(&["run", "x.toml", "--quiet", "-s", "training.steps=2"]).exits(0);
    let run = only_run(&place);
    export(&place, &run, &["--to", "diffusers", "out"]).exits(0);
    (place, run)
}

fn export(place: &Workplace, run: &Run, more: &[&str]) -> Ran {
    place.ablate(&[&["export", run.path.to_str().unwrap()], more].concat())
}

fn import(place: &Workplace, folder: &str, run: &str) -> Ran {
    place.ablate(&["import", folder, "-o", run, "-s", "data.limit=256", "-s", "runtime.device=cpu"])
}

/// The images that a run draws.
fn images(place: &Workplace, run: &str, name: &str) -> Vec<u8> {
    let how = ["-n", "3", "--seed", "5", "--sampler", "ddim", "--steps", "4", "-o", name];
    place.ablate(&[&["sample", run][..], &how].concat()).exits(0);
    fs::read(place.path(name)).unwrap()
}

fn json_of(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn tensors(path: &Path) -> Vec<(String, Vec<usize>, Vec<f32>)> {
    let bytes = fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let numbers = |view: &TensorView<'_>| -> Vec<f32> {
        view.data().chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect()
    };
    file.iter().map(|(name, view)| (name.to_owned(), view.shape().to_vec(), numbers(&view))).collect()
}

/// One tensor of a file, its shape in front.
fn tensor(path: &Path, wanted: &str) -> (Vec<usize>, Vec<f32>) {
    let found = tensors(path).into_iter().find(|(name, ..)| name == wanted).unwrap();
    (found.1, found.2)
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/diffusers/folders")
}

#[test]
fn a_run_that_went_to_diffusers_and_back_draws_the_same_images() {
    let (place, run) = exported("");
    assert_eq!(
        files_below(&place.path("out")),
        [
            "README.md",
            "model_index.json",
            "scheduler/scheduler_config.json",
            "unet/config.json",
            &format!("unet/{WEIGHTS}")
        ]
    );
    let said = import(&place, "out", "back/seed-0").exits(0).stdout;
    assert!(said.contains("8 x 8 grey images, 18521 parameters; 1000 timesteps, linear;"), "{said}");
    let (ours, theirs) =
        (images(&place, run.path.to_str().unwrap(), "a.png"), images(&place, "back/seed-0", "b.png"));
    assert!(ours == theirs, "other images than those of the run");
    // Again out: the same bytes, but for the text about itself.
    place.ablate(&["export", "back/seed-0", "--to", "diffusers", "again"]).exits(0);
    for name in files_below(&place.path("out")).iter().filter(|name| *name != "README.md") {
        assert!(
            fs::read(place.path("out").join(name)).unwrap()
                == fs::read(place.path("again").join(name)).unwrap(),
            "{name}"
        );
    }
    // The raw weights are others.
    export(&place, &run, &["--to", "safetensors", "raw", "--weights", "raw"]).exits(0);
    assert_eq!(files_below(&place.path("raw")), [WEIGHTS]);
    assert!(
        fs::read(place.path("raw").join(WEIGHTS)).unwrap()
            != fs::read(place.path("out/unet").join(WEIGHTS)).unwrap()
    );
}

#[test]
fn every_command_takes_an_imported_run_and_training_goes_on_from_it() {
    let (place, _) = exported("");
    for name in ["seed-0", "anything"] {
        import(&place, "out", name).exits(0);
        let checked = place.ablate(&["check", name]).exits(0).stdout;
        assert!(checked.contains("1 good checkpoint") && checked.contains("nothing is damaged"), "{checked}");
        let evaluated = place.ablate(&["eval", name, "--images", "4", "--metrics", "loss"]).exits(0);
        assert!(evaluated.stdout.contains("at step 0, 4 images of test"), "{}", evaluated.stdout);
        place.ablate(&["status", name]).exits(0);
    }
    import(&place, "out", "runs/theirs/net/seed-0").exits(0);
    let status = place.ablate(&["status", "runs/theirs"]).exits(0).stdout;
    assert!(status.contains("net") && status.contains("done"), "{status}");
    // Nothing was measured there yet, and nobody minds.
    let compared = place.ablate(&["compare", "runs/theirs"]);
    assert!(compared.code == Some(0) || compared.stderr.starts_with("error: "), "{}", compared.stderr);
    assert!(!compared.stderr.contains("panicked"), "{}", compared.stderr);
    // The folder and the run are two ways to the same weights.
    for start in ["out", "anything"] {
        let set = format!("training.initial_weights={}", place.path(start).display());
        place.ablate(&["run", "x.toml", "--quiet", "-s", "training.steps=1", "-s", &set]).exits(0);
    }
    let started =
        runs_of(&place).into_iter().filter(|run| run.read("config.toml").contains("initial_weights = "));
    assert_eq!(started.count(), 1, "the same weights are one variant");
    // The run's own configuration has the network and the weights.
    place.write("on.toml", "name = \"on\"\nextends = [\"anything/config.toml\"]\n");
    let settings = ["training.steps=1", "training.batch_size=8", "sampling.every=0", "evaluation.every=0"];
    let settings = settings.iter().flat_map(|setting| ["-s", setting]);
    let on: Vec<&str> = ["run", "on.toml", "--quiet"].into_iter().chain(settings).collect();
    place.ablate(&on).exits(0);
}

#[test]
fn folders_that_diffusers_wrote_answer_as_diffusers_does() {
    let others = std::env::var_os("ABLATE_PEER_FOLDERS").map(PathBuf::from);
    for (fixtures, name) in
        others.into_iter().chain([fixtures()]).flat_map(|all| [(all.clone(), "present"), (all, "early")])
    {
        let place = Workplace::new();
        let folder = fixtures.join(name);
        let ran = import(&place, folder.to_str().unwrap(), "run").exits(0);
        assert!(!ran.stderr.contains("warning"), "{}", ran.stderr);
        let config = read_run_config(&place.path("run/config.toml")).unwrap();
        let answers = fixtures.join(format!("{name}.safetensors"));
        let found = output(&config, &place.path("run/checkpoints/step-00000000/ema.safetensors"), &answers);
        assert_close(name, &found, &tensor(&answers, "output").1, 2e-5);
        assert_close(name, &drawn(&place, &answers), &tensor(&answers, "samples").1, 1e-4);
    }
}

/// Largest difference, as a share of the largest value.
#[track_caller]
fn assert_close(what: &str, found: &[f32], wanted: &[f32], tolerance: f32) {
    assert_eq!(found.len(), wanted.len(), "{what}");
    let scale = wanted.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
    let worst = found.iter().zip(wanted).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(worst <= tolerance * scale, "{what}: {worst} of {scale}");
}

/// What the imported run draws from the recorded noise, with its own settings of DDIM.
fn drawn(place: &Workplace, answers: &Path) -> Vec<f32> {
    let (shape, noise) = tensor(answers, "noise");
    let bytes: Vec<u8> = noise.iter().flat_map(|number| number.to_le_bytes()).collect();
    let view = TensorView::new(safetensors::Dtype::F32, shape, &bytes).unwrap();
    place.write("noise.safetensors", safetensors::serialize([("samples", view)], None).unwrap());
    let how = ["--sampler", "ddim", "--steps", "5", "--initial-noise", "noise.safetensors"];
    let to = ["--save-tensor", "drawn.safetensors", "--quiet"];
    place.ablate(&[&["sample", "run"], &how[..], &to].concat()).exits(0);
    tensor(&place.path("drawn.safetensors"), "samples").1
}

/// The network's output for the recorded inputs.
fn output(config: &Config, weights: &Path, answers: &Path) -> Vec<f32> {
    #[expect(
        deprecated,
        reason = "burn steers towards CubeCL; the libtorch backend is this project's choice"
    )]
    let device = Device::libtorch();
    let stored = tensors(weights);
    let network = UNet::new::<Infallible>(&config.model, &config.data, &device, &mut |name, shape, _| {
        let (_, found, values) = stored.iter().find(|(stored, ..)| stored == name).unwrap();
        assert_eq!(found, shape);
        Ok(values.clone())
    });
    let input = |name: &str| tensor(answers, name);
    let (shape, x) = input("x");
    let shape: [usize; 4] = shape.try_into().unwrap();
    let x = Tensor::<4>::from_data(TensorData::new(x, shape), &device);
    let t = Tensor::<1>::from_data(TensorData::new(input("t").1, [shape[0]]), &device);
    network.unwrap().forward(x, t, Mode::Eval).into_data().try_into_vec().unwrap()
}

#[test]
fn what_diffusers_schedulers_say_goes_into_the_run() {
    let place = Workplace::new();
    let settings = |name: &str| {
        import(&place, fixtures().join(name).to_str().unwrap(), name).exits(0);
        let config = read_run_config(&place.path(name).join("config.toml")).unwrap();
        serde_json::to_value((&config.diffusion, &config.sampling)).unwrap()
    };
    let present = settings("present");
    for (key, value) in [
        ("/0/noise_schedule", json!("cosine")),
        ("/0/prediction_type", json!("v")),
        ("/1/sampler", json!("ddim")),
        ("/1/steps", json!(50)),
        ("/1/steps_offset", json!(1)),
        ("/1/set_alpha_to_one", json!(false)),
        ("/1/clip_sample_range", json!(1.5)),
    ] {
        assert_eq!(present.pointer(key), Some(&value), "{key}");
    }
    let early = settings("early");
    for (key, value) in
        [("/1/sampler", json!("ddpm")), ("/1/steps", json!(1000)), ("/1/variance", json!("fixed_large"))]
    {
        assert_eq!(early.pointer(key), Some(&value), "{key}");
    }
}

#[test]
fn an_early_folder_in_sixteen_bits_becomes_the_same_run() {
    let (place, _) = exported("");
    fs::create_dir(place.path("early")).unwrap();
    for (from, to) in
        [("unet/config.json", "config.json"), ("scheduler/scheduler_config.json", "scheduler_config.json")]
    {
        fs::copy(place.path("out").join(from), place.path("early").join(to)).unwrap();
    }
    let stored = tensors(&place.path("out/unet").join(WEIGHTS));
    // Early names, and the upper half of each number.
    let early: Vec<(String, Vec<usize>, Vec<u8>)> = stored
        .iter()
        .map(|(name, shape, values)| {
            let name = name.replace(".to_q.", ".query.").replace(".to_k.", ".key.");
            let name = name.replace(".to_v.", ".value.").replace(".to_out.0.", ".proj_attn.");
            let halves = values.iter().flat_map(|value| value.to_le_bytes()[2..].to_vec());
            (name, shape.clone(), halves.collect())
        })
        .collect();
    let views = early.iter().map(|(name, shape, bytes)| {
        (name.as_str(), TensorView::new(safetensors::Dtype::BF16, shape.clone(), bytes).unwrap())
    });
    let bytes = safetensors::serialize(views.collect::<Vec<_>>(), None).unwrap();
    fs::write(place.path("early").join(WEIGHTS), bytes).unwrap();
    import(&place, "early", "run").exits(0);
    let found = tensors(&place.path("run/checkpoints/step-00000000/model.safetensors"));
    assert_eq!(found.len(), stored.len());
    for (name, shape, values) in stored {
        let (_, found_shape, found) = found.iter().find(|(found, ..)| *found == name).unwrap();
        assert_eq!(found_shape, &shape, "{name}");
        let cut = |value: &f32| f32::from_bits(value.to_bits() & 0xffff_0000);
        assert!(values.iter().map(cut).eq(found.iter().copied()), "{name}");
    }
}

#[test]
fn what_cannot_be_imported_is_told_in_one_go_and_nothing_is_written() {
    let (place, _) = exported("");
    let path = place.path("out/unet/config.json");
    let mut config = json_of(&path);
    (config["act_fn"], config["num_class_embeds"]) = (json!("gelu"), json!(10));
    fs::write(&path, config.to_string()).unwrap();
    let scheduler = place.path("out/scheduler/scheduler_config.json");
    let mut settings = json_of(&scheduler);
    settings["variance_type"] = json!("learned");
    fs::write(&scheduler, settings.to_string()).unwrap();
    let text = import(&place, "out", "run").exits(2).stderr;
    let folder = place.path("out").display().to_string();
    assert_eq!(
        text.replace(&folder, "out"),
        "error: act_fn = \"gelu\": the network's activation is silu\n  set in out/unet/config.json\n\n\
         error: num_class_embeds = 10: the network has no class embedding\n  set in out/unet/config.json\n\n\
         error: variance_type = \"learned\": the variance here is fixed_small or fixed_large\n  \
         set in out/scheduler/scheduler_config.json\n\n3 problems; nothing was started\n"
    );
    assert!(!place.path("run").exists());
}

#[test]
fn a_pickle_is_refused_with_how_to_convert_it() {
    let (place, _) = exported("");
    fs::rename(place.path("out/unet").join(WEIGHTS), place.path("out/unet/diffusion_pytorch_model.bin"))
        .unwrap();
    let text = import(&place, "out", "run").exits(2).stderr;
    assert!(
        text.contains("diffusion_pytorch_model.bin is a pickle, which can run code when it is read"),
        "{text}"
    );
    assert!(text.contains("safe_serialization=True"), "{text}");
}

#[test]
fn weights_of_another_network_or_damaged_ones_make_no_run() {
    let (place, _) = exported("");
    let path = place.path("out/unet").join(WEIGHTS);
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() - 1]).unwrap();
    let text = import(&place, "out", "run").exits(2).stderr;
    assert!(text.contains("is not a readable safetensors file"), "{text}");
    fs::write(&path, &whole).unwrap();
    let config = place.path("out/unet/config.json");
    let mut wider = json_of(&config);
    wider["block_out_channels"] = json!([8, 16]);
    fs::write(&config, wider.to_string()).unwrap();
    let text = import(&place, "out", "run").exits(2).stderr;
    assert!(
        text.contains("lacks tensors of the network: down_blocks.1.resnets.0.conv_shortcut.weight"),
        "{text}"
    );
    assert!(text.contains("has tensors of another shape: "), "{text}");
    assert!(!place.path("run").exists());
    assert!(files_below(&place.path("")).iter().all(|name| !name.contains(".new-")));
}

#[test]
fn one_channel_a_group_is_a_warning_and_the_run_can_be_sampled() {
    let (place, _) = exported("");
    let config = place.path("out/unet/config.json");
    let mut single = json_of(&config);
    single["norm_num_groups"] = json!(8);
    fs::write(&config, single.to_string()).unwrap();
    let text = import(&place, "out", "run").exits(0).stderr;
    assert!(text.contains("warning: model.norm_groups = 8 leaves one channel a group at width 8"), "{text}");
    images(&place, "run", "a.png");
    // Our own experiments may not.
    place.write("own.toml", "extends = [\"run/config.toml\"]\n");
    let text = place.ablate(&["plan", "own.toml"]).exits(2).stderr;
    assert!(text.contains("leaves one channel a group"), "{text}");
}

#[test]
fn nothing_is_written_over_or_through_a_link() {
    let (place, run) = exported("");
    fs::create_dir(place.path("mine")).unwrap();
    fs::write(place.path("mine/keep"), "x").unwrap();
    std::os::unix::fs::symlink(place.path("elsewhere"), place.path("link")).unwrap();
    std::os::unix::fs::symlink(place.path("mine"), place.path("linked")).unwrap();
    for target in ["mine", "link", "linked", "x.toml", "out"] {
        for format in ["diffusers", "safetensors"] {
            export(&place, &run, &["--to", format, target]).exits(2);
        }
        import(&place, "out", target).exits(2);
    }
    assert_eq!(files_below(&place.path("mine")), ["keep"]);
    assert!(!place.path("elsewhere").exists());
    // An empty folder may be exported to, and a run is always new.
    fs::create_dir(place.path("empty")).unwrap();
    import(&place, "out", "empty").exits(2);
    export(&place, &run, &["--to", "safetensors", "empty"]).exits(0);
}

#[test]
fn a_network_that_diffusers_cannot_describe_is_refused_with_the_key() {
    let place = tiny("");
    fs::rename(place.path("x.toml"), place.path("base.toml")).unwrap();
    place.write(
        "x.toml",
        "extends = [\"base.toml\"]\n[model]\nchannel_multipliers = [1, 2]\nattention_resolutions = [8, 4]\n\
         num_attention_heads = 2\n[training]\nsteps = 1\n",
    );
    place.ablate(&["run", "x.toml", "--quiet"]).exits(0);
    let run = only_run(&place);
    let text = export(&place, &run, &["--to", "diffusers", "out"]).exits(2).stderr;
    assert!(text.starts_with("error: model.num_attention_heads = 2 cannot be exported:"), "{text}");
    assert!(!place.path("out").exists());
    export(&place, &run, &["--to", "safetensors", "out"]).exits(0);
}
