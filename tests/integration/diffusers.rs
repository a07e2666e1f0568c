//! The network is the published one: outputs and gradients of diffusers' `UNet2DModel` with the same weights.
//!
//! `scripts/peers/diffusers/networks.py` wrote the files; `ABLATE_PEER_NETWORKS` names a folder with more.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::path::{Path, PathBuf};

use ablate::config::{Data, Model};
use ablate::model::{Mode, UNet, named_gradients, parameter_names};
use burn::tensor::{Device, Tensor, TensorData};
use safetensors::SafeTensors;
use serde::Deserialize;

/// Largest difference, as a share of the largest value of the tensor.
const TOLERANCE: f32 = 1e-4;

#[derive(Deserialize)]
struct Config {
    model: Model,
    data: Data,
}

struct Case {
    config: Config,
    tensors: BTreeMap<String, (Vec<usize>, Vec<f32>)>,
}

impl Case {
    fn read(path: &Path) -> Case {
        let bytes = std::fs::read(path).unwrap();
        let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
        let config = &header.metadata().as_ref().unwrap()["config"];
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let tensors = file
            .iter()
            .map(|(name, view)| {
                let values = view.data().chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap()));
                (name.to_string(), (view.shape().to_vec(), values.collect()))
            })
            .collect();
        let mut config: serde_json::Value = serde_json::from_str(config).unwrap();
        // Keys that came after these files were made.
        config["model"]["init"] = "torch".into();
        config["data"]["horizontal_flip"] = false.into();
        config["data"]["skip_corrupt"] = false.into();
        Case { config: serde_json::from_value(config).unwrap(), tensors }
    }

    fn tensor<const D: usize>(&self, name: &str, device: &Device) -> Tensor<D> {
        let (shape, values) = &self.tensors[name];
        let shape: [usize; D] = shape.clone().try_into().unwrap();
        Tensor::from_data(TensorData::new(values.clone(), shape), device)
    }

    fn network(&self, device: &Device) -> UNet {
        let Config { model, data } = &self.config;
        let built = UNet::new::<Infallible>(model, data, device, &mut |name, shape, _| {
            let (found, values) = &self.tensors[&format!("weights/{name}")];
            assert_eq!(found, shape, "{name}");
            Ok(values.clone())
        });
        built.unwrap()
    }
}

#[expect(deprecated, reason = "burn steers towards CubeCL; the libtorch backend is this project's choice")]
fn cpu() -> Device {
    Device::libtorch().autodiff()
}

fn cases() -> Vec<PathBuf> {
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/diffusers");
    let folders = std::env::var_os("ABLATE_PEER_NETWORKS").map(PathBuf::from).into_iter().chain([ours]);
    let files = folders.flat_map(|folder| std::fs::read_dir(folder).unwrap());
    let paths: Vec<PathBuf> = files.map(|entry| entry.unwrap().path()).collect();
    assert!(paths.len() >= 3);
    paths
}

fn assert_close(what: &str, ours: &[f32], theirs: &[f32]) {
    assert_close_at_scale_of(theirs, what, ours, theirs);
}

fn assert_close_at_scale_of(scale: &[f32], what: &str, ours: &[f32], theirs: &[f32]) {
    assert_eq!(ours.len(), theirs.len(), "{what}");
    let scale = scale.iter().fold(1e-3_f32, |largest, value| largest.max(value.abs()));
    let worst = ours.iter().zip(theirs).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(worst <= TOLERANCE * scale, "{what}: differs by {worst} where the largest value is {scale}");
}

#[test]
fn parameters_have_the_published_names_and_shapes() {
    for path in cases() {
        let case = Case::read(&path);
        let mut ours = parameter_names(&case.network(&cpu()));
        ours.sort();
        let theirs: Vec<(String, Vec<usize>)> = case
            .tensors
            .iter()
            .filter_map(|(name, (shape, _))| {
                Some((name.strip_prefix("weights/")?.to_string(), shape.clone()))
            })
            .collect();
        assert_eq!(ours, theirs, "{}", path.display());
    }
}

#[test]
fn outputs_and_every_gradient_equal_those_of_diffusers() {
    let device = cpu();
    for path in cases() {
        let case = Case::read(&path);
        let network = case.network(&device);
        let x = case.tensor::<4>("x", &device).require_grad();
        let output = network.forward(x.clone(), case.tensor::<1>("t", &device), Mode::Eval);
        let name = |tensor: &str| format!("{} {tensor}", path.file_stem().unwrap().to_string_lossy());
        let ours: Vec<f32> = output.clone().into_data().try_into_vec().unwrap();
        assert_close(&name("output"), &ours, &case.tensors["output"].1);

        let mut gradients = (output * case.tensor::<4>("cotangent", &device)).sum().backward();
        let ours: Vec<f32> = x.grad(&gradients).unwrap().into_data().try_into_vec().unwrap();
        assert_close(&name("grad_x"), &ours, &case.tensors["grad_x"].1);
        for gradient in named_gradients(&network, &mut gradients) {
            let key = format!("grad/{}", gradient.name);
            // A bias of all keys cancels in the softmax: its gradient is zero but for rounding, which grows with the
            // gradients it is summed from.
            let scale = key.strip_suffix("to_k.bias").map(|prefix| format!("{prefix}to_k.weight"));
            let scale = &case.tensors[scale.as_ref().unwrap_or(&key)].1;
            assert_close_at_scale_of(scale, &name(&key), &gradient.values, &case.tensors[&key].1);
        }
    }
}
