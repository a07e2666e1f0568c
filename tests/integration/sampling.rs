//! `ablate sample`: noise in, numbers out, and the trajectories of diffusers.
//!
//! `scripts/peers/diffusers/trajectories.py --write` wrote `tests/data/diffusers/trajectories`.

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::fs;
use std::path::Path;

use ablate::config::{Data, Diffusion, Model, Sampling};
use ablate::data::sample_noise;
use ablate::diffusion::Schedule;
use ablate::diffusion::sampler::Chain;
use ablate::model::{Mode, UNet};
use burn::tensor::{Device, Tensor, TensorData};
use rustix::process::Signal;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors, serialize};
use serde::Deserialize;

use crate::support::processes::{Background, is_ignored};
use crate::support::training::{Run, only_run, tiny};
use crate::support::{Ran, Workplace};

/// Largest difference of two images, whose values are about -1 to 1.
const TOLERANCE: f32 = 1e-4;

/// Tensors of a file, and what is written beside them.
struct File {
    tensors: BTreeMap<String, (Vec<usize>, Vec<f32>)>,
    about: HashMap<String, String>,
}

impl File {
    fn read(path: &Path) -> File {
        let bytes = fs::read(path).unwrap();
        let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
        let numbers = |data: &[u8]| {
            data.chunks_exact(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap())).collect()
        };
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let tensors =
            file.iter().map(|(name, view)| (name.to_owned(), (view.shape().to_vec(), numbers(view.data()))));
        File { tensors: tensors.collect(), about: header.metadata().clone().unwrap_or_default() }
    }

    fn samples(path: &Path) -> (Vec<usize>, Vec<f32>) {
        File::read(path).tensors.remove("samples").unwrap()
    }
}

fn write_samples(path: &Path, shape: &[usize], values: &[f32]) {
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    let view = TensorView::new(Dtype::F32, shape.to_vec(), &bytes).unwrap();
    fs::write(path, serialize([("samples", view)], None).unwrap()).unwrap();
}

#[derive(Deserialize)]
struct Config {
    model: Model,
    data: Data,
    diffusion: Diffusion,
}

#[expect(deprecated, reason = "burn steers towards CubeCL; the libtorch backend is this project's choice")]
fn cpu() -> Device {
    Device::libtorch()
}

#[test]
fn every_sampler_walks_through_a_trained_network_where_diffusers_does() {
    let path = "tests/data/diffusers/trajectories/v-linear.safetensors";
    let file = File::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join(path));
    let config: Config = serde_json::from_str(&file.about["config"]).unwrap();
    let chains: BTreeMap<String, Sampling> = serde_json::from_str(&file.about["chains"]).unwrap();
    let seed: u64 = file.about["seed"].parse().unwrap();
    let device = cpu();
    let built = UNet::new::<Infallible>(&config.model, &config.data, &device, &mut |name, _, _| {
        Ok(file.tensors[&format!("weights/{name}")].1.clone())
    });
    let (network, schedule) = (built.unwrap(), Schedule::new(&config.diffusion).unwrap());
    let tensor = |shape: &[usize], values: Vec<f32>| -> Tensor<4> {
        let shape: [usize; 4] = shape.to_vec().try_into().unwrap();
        Tensor::from_data(TensorData::new(values, shape), &device)
    };
    let (shape, first) = &file.tensors["first"];
    let mut samplers = std::collections::BTreeSet::new();
    for (name, settings) in &chains {
        let prediction = config.diffusion.prediction_type;
        let chain = Chain { schedule: &schedule, prediction, settings };
        let mut ask = |x: Tensor<4>, t: f64| {
            let t = Tensor::full([x.dims()[0]], t as f32, &device);
            network.forward(x, t, Mode::Eval)
        };
        let mut noise = |step: usize| {
            let mut values = vec![0.0; first.len()];
            for (image, values) in values.chunks_mut(first.len() / shape[0]).enumerate() {
                sample_noise(seed, image as u64, step as u64 + 1, values);
            }
            tensor(shape, values)
        };
        let drawn = chain.sample(tensor(shape, first.clone()), &mut ask, &mut noise);
        let drawn: Vec<f32> = drawn.into_data().try_into_vec().unwrap();
        let theirs = &file.tensors[&format!("drawn/{name}")].1;
        let worst = drawn.iter().zip(theirs).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        println!("{name}: {worst:.1e}");
        assert_eq!(drawn.len(), theirs.len());
        assert!(worst <= TOLERANCE, "{name} is off by {worst}");
        samplers.insert(settings.sampler.name());
    }
    assert_eq!(samplers.len(), 5, "{samplers:?}");
}

/// A run of two steps, and a place beside it.
fn trained() -> (Workplace, Run) {
    let place = tiny("");
    let short = ["training.steps=2", "sampling.every=0", "evaluation.every=0", "checkpoint.every=0"];
    let settings: Vec<&str> = short.iter().flat_map(|setting| ["-s", *setting]).collect();
    place.ablate(&[&["run", "x.toml", "--quiet"], &settings[..]].concat()).exits(0);
    let run = only_run(&place);
    (place, run)
}

fn sample(place: &Workplace, run: &Run, arguments: &[&str]) -> Ran {
    place.ablate(&[&["sample", run.path.to_str().unwrap(), "--steps", "4"], arguments].concat())
}

/// What a seed starts from.
fn first_noise(seed: u64, images: u64) -> Vec<f32> {
    let mut values = vec![0.0; 64 * images as usize];
    for (image, values) in (0..images).zip(values.chunks_mut(64)) {
        sample_noise(seed, image, 0, values);
    }
    values
}

#[test]
fn numbers_go_in_and_out_and_are_those_of_the_picture() {
    let (place, run) = trained();
    let drawn = |arguments: &[&str]| {
        let outputs = ["-o", "x.png", "--save-tensor", "x.safetensors"];
        let ran = sample(&place, &run, &[&outputs, arguments].concat()).exits(0);
        assert!(ran.stdout.ends_with("x.png\ntheir numbers: x.safetensors\n"), "{}", ran.stdout);
        assert_eq!(ran.stderr, "");
        File::samples(&place.path("x.safetensors"))
    };
    let (shape, own) = drawn(&["-n", "3", "--seed", "5"]);
    assert_eq!(shape, [3, 1, 8, 8]);
    let picture = image::open(place.path("x.png")).unwrap().to_luma8();
    let byte = |value: f32| ((value / 2.0 + 0.5).clamp(0.0, 1.0) * 255.0).round() as u8;
    // Each pixel is shown seven pixels wide, after a margin of four.
    for (place, value) in own[..64].iter().enumerate() {
        let (x, y) = (4 + 7 * (place as u32 % 8), 4 + 7 * (place as u32 / 8));
        assert_eq!(picture.get_pixel(x, y).0, [byte(*value)]);
    }

    // The seed's own first noise gives the same images, and its number of images is theirs.
    write_samples(&place.path("noise.safetensors"), &[3, 1, 8, 8], &first_noise(5, 3));
    let given = ["--initial-noise", "noise.safetensors", "--seed", "5"];
    assert_eq!(drawn(&given), (shape.clone(), own.clone()));
    assert_eq!(drawn(&[&given[..], &["-n", "3"]].concat()).0, shape);
    // Batches change rounding at most.
    let (_, alone) = drawn(&[&given[..], &["--batch-size", "1"]].concat());
    assert!(alone.iter().zip(&own).all(|(a, b)| (a - b).abs() <= TOLERANCE));
    // Every file is whole under its name, and nothing else is left.
    let left: Vec<String> = place.files().into_iter().filter(|name| name.ends_with(".tmp")).collect();
    assert_eq!(left, Vec::<String>::new());
}

#[test]
fn noise_that_does_not_fit_is_refused_before_anything_is_drawn() {
    let (place, run) = trained();
    let refused = |arguments: &[&str]| {
        let ran = sample(&place, &run, &[&["-o", "x.png"], arguments].concat()).exits(2);
        assert!(!place.path("x.png").exists());
        ran.stderr
    };
    let given = ["--initial-noise", "noise.safetensors"];
    let help = "\n  help: --initial-noise is a safetensors file with a tensor `samples`: f32 [N, 1, 8, 8], at most \
                65536 images\n";
    write_samples(&place.path("noise.safetensors"), &[2, 3, 8, 8], &[0.0; 384]);
    assert_eq!(
        refused(&given),
        format!("error: noise.safetensors: tensor samples is F32 [2, 3, 8, 8], not F32 [N, 1, 8, 8]{help}")
    );
    let mut values = first_noise(0, 2);
    write_samples(&place.path("noise.safetensors"), &[2, 1, 8, 8], &values);
    assert_eq!(
        refused(&[&given[..], &["-n", "3"]].concat()),
        "error: -n 3, but noise.safetensors has noise for 2\n  help: leave -n out\n"
    );
    values[70] = f32::INFINITY;
    write_samples(&place.path("noise.safetensors"), &[2, 1, 8, 8], &values);
    assert_eq!(refused(&given), format!("error: noise.safetensors: tensor samples has inf in image 1{help}"));
    fs::write(place.path("noise.safetensors"), "no tensors").unwrap();
    assert!(refused(&given).contains("noise.safetensors is not a readable safetensors file"));
    assert!(refused(&["--initial-noise", "none"]).starts_with("error: cannot read none: "));
}

#[test]
fn an_output_that_cannot_be_written_is_named_before_anything_is_drawn() {
    let (place, run) = trained();
    let refused = |arguments: &[&str]| sample(&place, &run, arguments).exits(2).stderr;
    assert_eq!(
        refused(&["-o", "none/x.png"]),
        "error: cannot write none/x.png: none is no folder\n  help: make it first\n"
    );
    assert!(refused(&["-o", "x.png", "--save-tensor", "none/x"]).contains("none is no folder"));
    assert!(refused(&["-o", "x"]).contains("x has no ending of a picture"));
    assert!(refused(&["-o", "x.png", "--save-tensor", "x.png"]).contains("name the same file"));
    assert!(
        refused(&["--sampler", "euler", "--clip-sample-range", "2"]).contains("has no effect"),
        "a range for a clipping that does not happen"
    );
    assert_eq!(
        refused(&["--clip-sample-range", "0"]),
        "error: --clip-sample-range 0 is out of range\n  help: use a number above 0; 1 is the range of images\n"
    );
}

#[test]
fn every_setting_of_a_scheduler_reaches_the_images_and_quiet_says_nothing() {
    let (place, run) = trained();
    let drawn = |arguments: &[&str]| {
        let fixed = ["-n", "2", "-o", "x.png", "--save-tensor", "x.safetensors", "--quiet"];
        let ran = sample(&place, &run, &[&fixed, arguments].concat()).exits(0);
        assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("", ""));
        File::samples(&place.path("x.safetensors")).1
    };
    let mut seen = vec![drawn(&[])];
    for arguments in [
        &["--steps-offset", "3"][..],
        &["--clip-sample", "false"],
        &["--clip-sample-range", "0.5"],
        &["--set-alpha-to-one", "false"],
        &["--timestep-spacing", "linspace"],
        &["--sampler", "euler"],
        &["--sampler", "euler", "--timestep-spacing", "linspace"],
        &["--sampler", "heun"],
        &["--sampler", "heun", "--clip-sample-range", "0.5"],
        &["--seed", "1"],
        &["--weights", "raw"],
    ] {
        let images = drawn(arguments);
        assert!(images.iter().all(|value| value.is_finite()), "{arguments:?}");
        assert!(!seen.contains(&images), "{arguments:?} makes no difference");
        seen.push(images);
    }
}

#[test]
fn a_drawing_that_is_interrupted_leaves_no_file() {
    let (place, run) = trained();
    let before = place.files();
    let path = run.path.to_str().unwrap();
    let outputs = ["-o", "x.png", "--save-tensor", "x.safetensors", "--quiet"];
    let long = ["-n", "4096", "--sampler", "ddpm", "--steps", "1000"];
    let mut drawing = Background::start(&place, &[&["sample", path], &outputs[..], &long].concat());
    std::thread::sleep(std::time::Duration::from_secs(1));
    assert!(!drawing.has_ended());
    // A shell's background job ignores Ctrl-C.
    drawing.send(if is_ignored(Signal::INT) { Signal::TERM } else { Signal::INT });
    assert!(!drawing.wait().success());
    let left =
        place.files().into_iter().filter(|name| !["stdout.txt", "stderr.txt"].contains(&name.as_str()));
    assert_eq!(left.collect::<Vec<_>>(), before);
}
