//! A table of every key: a hashed one changes what is trained, any other one leaves the weights alone and has
//! an effect of its own. Each row is a real training; the tables are printed, and they name every key there is.

mod hashed;
mod unhashed;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use ablate::config::keys::KEYS;
use safetensors::SafeTensors;

use crate::support::Workplace;
use crate::support::training::{Run, runs_of};

/// Six steps of a network with every kind of layer, on 8×8 grey drawings.
const BASE: &str = r#"
[data]
image_size = 8
in_channels = 1
limit = 64
[model]
base_channels = 8
channel_multipliers = [1, 1]
num_res_blocks = 1
attention_resolutions = [4]
norm_groups = 2
[training]
steps = 6
batch_size = 8
warmup_steps = 2
log_every = 2
[checkpoint]
every = 2
[evaluation]
every = 3
images = 8
[sampling]
every = 6
num_samples = 2
steps = 4
[runtime]
device = "cpu"
jobs = 1
threads = 1
"#;

/// A workplace with the base, and the same pictures twice: where `folder` looks by default, and in `pictures`.
fn workplace() -> Workplace {
    let place = Workplace::with("x.toml", BASE);
    for number in 0..40_u8 {
        let picture = image::GrayImage::from_fn(9, 11, |x, y| {
            image::Luma([(x * 20 + y * 7) as u8 ^ number.wrapping_mul(37)])
        });
        for folder in ["data/folder", "pictures"] {
            fs::create_dir_all(place.path(folder)).unwrap();
            picture.save(place.path(format!("{folder}/{number:02}.png"))).unwrap();
        }
    }
    place
}

/// Trains the base under settings laid over it; the same settings give the same folder.
#[track_caller]
fn train(place: &Workplace, settings: &[&str]) -> Run {
    let before: BTreeSet<_> = runs_of(place).into_iter().map(|run| run.path).collect();
    let mut arguments = vec!["run", "x.toml", "--quiet"];
    arguments.extend(settings.iter().flat_map(|setting| ["-s", setting]));
    place.ablate(&arguments).exits(0);
    let mut new = runs_of(place).into_iter().filter(|run| !before.contains(&run.path));
    let run = new.next().unwrap_or_else(|| panic!("{settings:?} is no run of its own"));
    assert!(new.next().is_none());
    run
}

/// The tensors of a run's last checkpoint: file and name to shape and values.
fn tensors(run: &Run) -> BTreeMap<String, (Vec<usize>, Vec<f32>)> {
    let last = *run.checkpoints().last().unwrap();
    let folder = run.path.join(format!("checkpoints/step-{last:08}"));
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let file = entry.file_name().into_string().unwrap();
        if let Some(stem) = file.strip_suffix(".safetensors") {
            read(&entry.path(), stem, &mut found);
        }
    }
    found
}

fn read(path: &Path, stem: &str, found: &mut BTreeMap<String, (Vec<usize>, Vec<f32>)>) {
    let bytes = fs::read(path).unwrap();
    for (name, view) in SafeTensors::deserialize(&bytes).unwrap().iter() {
        let values = view.data().chunks_exact(4).map(|four| f32::from_le_bytes(four.try_into().unwrap()));
        found.insert(format!("{stem}/{name}"), (view.shape().to_vec(), values.collect()));
    }
}

/// Every key that identity depends on, or every other one.
fn keys(hashed: bool) -> BTreeSet<&'static str> {
    KEYS.iter().filter(|key| key.hashed == hashed).map(|key| key.path).collect()
}
