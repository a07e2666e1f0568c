//! Tests of finding weights: every kind of path, every kind of damage.

use std::collections::BTreeMap;
use std::fs;

use safetensors::tensor::TensorView;

use super::*;
use crate::rundir::{ManifestMeta, Owner};

/// A file of one tensor, all of whose bytes are `byte`.
fn bytes(name: &str, shape: &[usize], byte: u8) -> Vec<u8> {
    let data = vec![byte; 4 * shape.iter().product::<usize>()];
    let view = TensorView::new(Dtype::F32, shape.to_vec(), &data).unwrap();
    safetensors::serialize([(name, view)], None).unwrap()
}

fn checkpoint_of(run: &RunDir, step: u64, files: &[(&str, u8)]) {
    let owner = Owner { run_id: "a".into(), seed: 0 };
    let meta = ManifestMeta { owner, logs: BTreeMap::new(), best: None };
    let fill = |folder: &Path| -> io::Result<()> {
        files.iter().try_for_each(|(name, byte)| fs::write(folder.join(name), bytes("w", &[2], *byte)))
    };
    checkpoint::save(&crate::rundir::Disk, run, step, meta, fill).unwrap();
}

fn hash_of(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex().to_string()
}

#[test]
fn a_run_leads_to_the_average_of_its_newest_good_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let run = RunDir::at(folder.path());
    let both = |byte| [("model.safetensors", 9), ("ema.safetensors", byte)];
    checkpoint_of(&run, 10, &both(1));
    checkpoint_of(&run, 20, &both(2));
    checkpoint_of(&run, 30, &both(3));
    fs::write(run.checkpoint_path(30).join("model.safetensors"), "damage").unwrap();
    let found = WeightsFile::find(folder.path()).unwrap();
    assert_eq!(found.path, run.checkpoint_path(20).join("ema.safetensors"));
    assert_eq!(found.blake3, hash_of(&bytes("w", &[2], 2)));
    let named = WeightsFile::find(&run.checkpoint_path(10)).unwrap();
    assert_eq!(named.blake3, hash_of(&bytes("w", &[2], 1)));
    let error = WeightsFile::find(&run.checkpoint_path(30)).unwrap_err();
    assert!(error.to_string().contains("model.safetensors is damaged"), "{error}");
}

#[test]
fn weights_without_an_average_are_taken_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let run = RunDir::at(folder.path());
    checkpoint_of(&run, 10, &[("model.safetensors", 9)]);
    assert!(WeightsFile::find(folder.path()).unwrap().path.ends_with("model.safetensors"));
}

#[test]
fn an_exported_folder_and_a_file_lead_to_the_same_weights() {
    let folder = tempfile::tempdir().unwrap();
    let content = bytes("w", &[2], 5);
    fs::create_dir_all(folder.path().join("x/unet")).unwrap();
    for name in ["x/unet/diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.safetensors", "a.b"] {
        fs::write(folder.path().join(name), &content).unwrap();
    }
    for path in ["x", "x/unet", "", "a.b"] {
        assert_eq!(WeightsFile::find(&folder.path().join(path)).unwrap().blake3, hash_of(&content), "{path}");
    }
}

#[test]
fn what_leads_to_no_weights_says_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let refusal = |name: &str| {
        let error = WeightsFile::find(&folder.path().join(name)).unwrap_err();
        let text = error.to_string().replace(&format!("{}/", folder.path().display()), "");
        (text, error.help())
    };
    fs::create_dir_all(folder.path().join("empty")).unwrap();
    fs::create_dir_all(folder.path().join("run/checkpoints")).unwrap();
    fs::write(folder.path().join("short"), "abc").unwrap();
    fs::write(folder.path().join("text"), "not a safetensors file at all").unwrap();
    let mut cut = bytes("w", &[2], 1);
    cut.pop();
    fs::write(folder.path().join("cut"), &cut).unwrap();
    assert_eq!(refusal("none").0, "none does not exist");
    assert!(refusal("none").1.starts_with("name a run's folder"));
    assert_eq!(refusal("empty").0, "empty holds no weights");
    assert_eq!(refusal("run").0, "run has no checkpoint that verifies");
    assert_eq!(refusal("short").0, "short is not a readable safetensors file: it has only 3 bytes");
    assert!(refusal("text").0.contains("promise a header of"), "{}", refusal("text").0);
    let size = cut.len();
    assert_eq!(
        refusal("cut").0,
        format!("cut is not a readable safetensors file: it has {size} bytes, its header says {}", size + 1)
    );
}

#[test]
fn tensors_are_held_to_the_networks_by_name_shape_and_format() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w");
    fs::write(&path, bytes("conv_in.weight", &[2, 3], 0)).unwrap();
    let file = WeightsFile::find(&path).unwrap();
    let misfit = |network: &[(&str, &[usize])]| {
        let network = network.iter().map(|(name, shape)| ((*name).to_owned(), shape.to_vec()));
        file.check_tensors(network).map_err(|error| {
            let text = error.to_string();
            text.split_once("network: ").unwrap().1.to_owned()
        })
    };
    assert_eq!(misfit(&[("conv_in.weight", &[2, 3])]), Ok(()));
    assert_eq!(
        misfit(&[("conv_in.weight", &[4, 3])]).unwrap_err(),
        "tensor conv_in.weight is [2, 3], the network's is [4, 3]"
    );
    assert_eq!(misfit(&[("a", &[1])]).unwrap_err(), "tensor a is not in it; the network needs [1]");
    assert_eq!(misfit(&[]).unwrap_err(), "tensor conv_in.weight is no part of the network");
    let data = [0; 4];
    let halves = TensorView::new(Dtype::F16, vec![2], &data).unwrap();
    fs::write(&path, safetensors::serialize([("a", halves)], None).unwrap()).unwrap();
    let error = WeightsFile::find(&path).unwrap().check_tensors([("a".to_owned(), vec![2])]).unwrap_err();
    assert!(error.to_string().ends_with("tensor a is F16, not F32"), "{error}");
}

#[test]
fn other_weights_than_those_written_down_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w");
    fs::write(&path, bytes("w", &[1], 1)).unwrap();
    let file = WeightsFile::find(&path).unwrap();
    assert!(file.check_hash(&file.blake3).is_ok());
    let error = file.check_hash(&"0".repeat(64)).unwrap_err().to_string();
    assert!(
        error.ends_with(&format!("has the BLAKE3 hash {}, not {}", file.blake3, "0".repeat(64))),
        "{error}"
    );
}
