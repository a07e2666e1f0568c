//! Where diffusers keeps what, in its present folders and in those of its first versions.
//!
//! In: a folder. Out: the files that make a network and its scheduler.

use std::fs;
use std::path::{Path, PathBuf};

use super::InteropError;

/// What the pipeline is made of.
pub(super) const INDEX: &str = "model_index.json";
/// Folder of the network.
pub(super) const UNET: &str = "unet";
/// The network's configuration, in its folder.
pub(super) const UNET_CONFIG: &str = "config.json";
/// The network's weights, beside it.
pub(super) const WEIGHTS: &str = "diffusion_pytorch_model.safetensors";
/// Folder of the scheduler.
pub(super) const SCHEDULER: &str = "scheduler";
/// The scheduler's configuration, in its folder.
pub(super) const SCHEDULER_CONFIG: &str = "scheduler_config.json";

/// Weights that were saved in 16 bits, beside others or alone.
const HALF_WEIGHTS: &str = "diffusion_pytorch_model.fp16.safetensors";
/// Endings of files that can run code when they are read.
const PICKLES: [&str; 5] = [".bin", ".ckpt", ".pt", ".pth", ".pkl"];
/// Ending of the list of a network's several files.
const PARTS: &str = ".safetensors.index.json";
/// Most names of a folder that are looked at.
const MOST_NAMES: usize = 10_000;

/// The files of a folder.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) unet_config: PathBuf,
    pub(super) scheduler_config: PathBuf,
    pub(super) weights: PathBuf,
    /// Early folders have none.
    pub(super) index: Option<PathBuf>,
}

impl Layout {
    /// Finds them. Links are followed: a cache of downloads is made of them.
    ///
    /// # Errors
    /// One is not there, or the weights are in another format.
    pub(super) fn of(folder: &Path) -> Result<Layout, InteropError> {
        let missing = |reason: &str| {
            let (path, reason) = (folder.to_path_buf(), reason.to_owned());
            InteropError::Folder { path, reason }
        };
        if !folder.is_dir() {
            return Err(missing(if folder.exists() { "it is a file" } else { "it does not exist" }));
        }
        let first =
            |names: [&str; 2]| names.map(|name| folder.join(name)).into_iter().find(|path| path.is_file());
        let unet_config = first([&format!("{UNET}/{UNET_CONFIG}"), UNET_CONFIG]);
        let unet_config = unet_config.ok_or_else(|| match folder.join("config.toml").is_file() {
            true => missing("it is a run of ablate, which needs no import"),
            false => missing("it has no unet/config.json, and no config.json"),
        })?;
        let scheduler = first([&format!("{SCHEDULER}/{SCHEDULER_CONFIG}"), SCHEDULER_CONFIG]);
        let scheduler_config = scheduler.ok_or_else(|| {
            missing("it has no scheduler/scheduler_config.json, which says how noise was added in training")
        })?;
        let weights = weights(unet_config.parent().unwrap_or(folder))?;
        let index = Some(folder.join(INDEX)).filter(|path| path.is_file());
        Ok(Layout { unet_config, scheduler_config, weights, index })
    }
}

fn weights(folder: &Path) -> Result<PathBuf, InteropError> {
    for name in [WEIGHTS, HALF_WEIGHTS] {
        let path = folder.join(name);
        if path.is_file() {
            return Ok(path);
        }
    }
    let entries =
        fs::read_dir(folder).map_err(|source| InteropError::Io { path: folder.to_path_buf(), source })?;
    let names = entries.take(MOST_NAMES).filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut names: Vec<String> = names.collect();
    names.sort();
    if let Some(name) = names.iter().find(|name| PICKLES.iter().any(|end| name.ends_with(end))) {
        return Err(InteropError::Pickle { path: folder.join(name) });
    }
    let reason = match names.iter().find(|name| name.ends_with(PARTS)) {
        Some(name) => format!("its weights are in several files ({name}); save them as one"),
        None => format!("it has no {WEIGHTS}"),
    };
    Err(InteropError::Folder { path: folder.to_path_buf(), reason })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        folder
    }

    fn refusal(files: &[&str]) -> String {
        let folder = folder(files);
        let error = Layout::of(folder.path()).unwrap_err();
        assert!(error.help().is_some());
        error.to_string().replace(&folder.path().display().to_string(), "DIR")
    }

    #[test]
    fn both_layouts_are_found_and_the_present_one_wins() {
        let old = ["config.json", "scheduler_config.json", "diffusion_pytorch_model.safetensors"];
        let found = folder(&old);
        let layout = Layout::of(found.path()).unwrap();
        assert_eq!(layout.weights, found.path().join(WEIGHTS));
        assert_eq!((layout.unet_config, layout.index), (found.path().join("config.json"), None));
        let new = [
            "unet/config.json",
            "scheduler/scheduler_config.json",
            "unet/diffusion_pytorch_model.fp16.safetensors",
            "model_index.json",
        ];
        let found = folder(&[&new[..], &old].concat());
        let layout = Layout::of(found.path()).unwrap();
        assert_eq!(layout.weights, found.path().join("unet").join(HALF_WEIGHTS));
        assert_eq!(layout.scheduler_config, found.path().join("scheduler/scheduler_config.json"));
        assert!(layout.index.is_some());
    }

    #[test]
    fn what_is_missing_is_named_and_a_pickle_is_never_opened() {
        let configs = ["unet/config.json", "scheduler/scheduler_config.json"];
        let with = |name: &'static str| refusal(&[&configs[..], &[name]].concat());
        assert_eq!(
            refusal(&[]),
            "DIR is no folder of diffusers: it has no unet/config.json, and no config.json"
        );
        assert!(refusal(&["config.toml"]).ends_with("it is a run of ablate, which needs no import"));
        assert!(refusal(&configs[..1]).contains("it has no scheduler/scheduler_config.json"));
        assert!(
            refusal(&configs).ends_with(
                "DIR/unet is no folder of diffusers: it has no diffusion_pytorch_model.safetensors"
            )
        );
        assert_eq!(
            with("unet/diffusion_pytorch_model.bin"),
            "DIR/unet/diffusion_pytorch_model.bin is a pickle, which can run code when it is read"
        );
        assert!(with("unet/diffusion_pytorch_model.safetensors.index.json").contains("in several files"));
        let nowhere = Layout::of(Path::new("/nowhere/at/all")).unwrap_err().to_string();
        assert!(nowhere.ends_with("it does not exist"), "{nowhere}");
    }
}
