//! Drawing, once the command line is read.

use std::path::{Path, PathBuf};

use image::ImageFormat;

use super::Args;
use super::progress::Progress;
use super::settings::settings;
use crate::cli::chosen::{checkpoint_at, run_at, weights_named};
use crate::cli::failure::{ExitCode, Failure, exit};
use crate::cli::output::print;
use crate::config::{self, Config};
use crate::guard::printable;
use crate::memory::{Room, images_at_a_time};
use crate::ops::DeviceName;
use crate::rundir::{Disk, RunDir, files};
use crate::train::{self, Outputs, SampleRequest, image_shape};

/// Images, where nothing says how many.
const IMAGES: usize = 16;

pub(crate) fn exec(args: Args) -> Result<ExitCode, Failure> {
    let run = run_at(&args.run)?;
    let config = config::read_run_config(&run.config_path()).map_err(Failure::user)?;
    let settings = settings(&args, &config)?;
    let weights = weights_named(&args.weights, &config)?;
    let chosen = checkpoint_at(&run, &args.at)?;
    let first = first_noise(&args, &config)?;
    let n = first.as_ref().map_or(args.n.map_or(IMAGES, |n| n as usize), |first| first.images);
    let output = output(&args, &run)?;
    check_outputs(&output, args.save_tensor.as_deref())?;
    let request = SampleRequest {
        config: &config,
        settings: &settings,
        checkpoint: &chosen.path,
        weights: &weights.file,
        n,
        seed: args.seed,
        batch: batch(&args, &config)?,
        first: first.as_ref().map(|first| &first.values[..]),
    };
    let outputs = Outputs { image: &output, tensor: args.save_tensor.as_deref() };
    let mut progress = Progress::new(args.quiet, n, settings.evaluations());
    let drawn = train::sample_to(&request, &outputs, &mut |asked| progress.at(asked));
    drop(progress);
    drawn.map_err(failure)?;
    if !args.quiet {
        let said = format!(
            "{n} images of {} at step {} ({} weights, {} steps of {}, seed {}): {}",
            run.path().display(),
            chosen.step,
            args.weights,
            settings.steps,
            settings.sampler.name(),
            args.seed,
            output.display()
        );
        let numbers = args.save_tensor.iter().map(|path| format!("their numbers: {}", path.display()));
        let lines = std::iter::once(said).chain(numbers);
        print(&lines.map(|line| format!("{}\n", printable(&line))).collect::<String>())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Noise that somebody gave.
struct FirstNoise {
    values: Vec<f32>,
    images: usize,
}

fn first_noise(args: &Args, config: &Config) -> Result<Option<FirstNoise>, Failure> {
    let Some(path) = &args.initial_noise else { return Ok(None) };
    let shape @ [c, h, w] = image_shape(config);
    let values = train::read_samples(path, shape).map_err(|error| {
        Failure::user(error).with_help(format!(
            "--initial-noise is a safetensors file with a tensor `samples`: f32 [N, {c}, {h}, {w}], at most {} images",
            train::MOST_IMAGES
        ))
    })?;
    let images = values.len() / (c * h * w);
    match args.n {
        Some(n) if n as usize != images => {
            Err(Failure::user(format!("-n {n}, but {} has noise for {images}", path.display()))
                .with_help("leave -n out"))
        }
        _ => Ok(Some(FirstNoise { values, images })),
    }
}

/// As many as are asked for, or as fit.
fn batch(args: &Args, config: &Config) -> Result<usize, Failure> {
    if let Some(batch) = args.batch_size {
        return Ok(batch as usize);
    }
    let device = train::device_name(config.runtime.device).map_err(Failure::internal)?;
    let room = if device == DeviceName::Cpu { Room::here() } else { None };
    Ok(images_at_a_time(config, room))
}

fn output(args: &Args, run: &RunDir) -> Result<PathBuf, Failure> {
    if let Some(path) = &args.output {
        return Ok(path.clone());
    }
    let folder = run.samples_path();
    files::create_dir(&Disk, &folder).map_err(Failure::internal)?;
    let given = if args.initial_noise.is_some() { "-given" } else { "" };
    Ok(folder.join(format!("sample-{}-{}{given}-seed{}.png", args.at, args.weights, args.seed)))
}

/// What would only be found out after everything is drawn.
fn check_outputs(image: &Path, tensor: Option<&Path>) -> Result<(), Failure> {
    if ImageFormat::from_path(image).is_err() {
        return Err(Failure::user(format!("{} has no ending of a picture", image.display()))
            .with_help("name a file that ends in .png"));
    }
    for path in [Some(image), tensor].into_iter().flatten() {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        if !folder.is_dir() {
            return Err(Failure::user(format!(
                "cannot write {}: {} is no folder",
                path.display(),
                folder.display()
            ))
            .with_help("make it first"));
        }
        if path.is_dir() {
            return Err(Failure::user(format!("cannot write {}: it is a folder", path.display())));
        }
    }
    if tensor == Some(image) {
        return Err(Failure::user("--output and --save-tensor name the same file"));
    }
    Ok(())
}

fn failure(error: train::Error) -> Failure {
    let code = if error.is_storage() { exit::STORAGE } else { exit::INTERNAL };
    Failure::new(error, code)
}
