//! `ablate sample RUN`: draw images from a checkpoint and write them as one PNG.

use std::path::PathBuf;

use crate::config::{Sampler, TimestepSpacing, Variance};

/// Options of `ablate sample`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A run folder, such as runs/quickstart/<variant>/seed-0.
    run: PathBuf,
    /// Number of images.
    #[arg(short, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    n: u32,
    /// Algorithm [default: the run's sampling.sampler].
    #[arg(long, value_enum, value_name = "S")]
    sampler: Option<Sampler>,
    /// Network evaluations per image [default: the run's sampling.steps].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    steps: Option<u32>,
    /// Noise of "ddim": 0 is deterministic, 1 as noisy as DDPM [default: the run's sampling.eta].
    #[arg(long, value_name = "E")]
    eta: Option<f64>,
    /// Noise of "ddpm" [default: the run's sampling.variance].
    #[arg(long, value_enum, value_name = "V")]
    variance: Option<Variance>,
    /// Which timesteps are visited [default: the run's sampling.timestep_spacing].
    #[arg(long, value_enum, value_name = "SPACING")]
    timestep_spacing: Option<TimestepSpacing>,
    /// Seed of the noise; image i of a seed starts from the same noise in every run.
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Weights: ema (the first average), one by its name such as ema-0.99, or raw.
    #[arg(long, value_name = "NAME", default_value = "ema")]
    weights: String,
    /// Checkpoint: last, best or step=N.
    #[arg(long, value_name = "WHICH", default_value = "last")]
    at: String,
    /// The PNG to write [default: RUN/samples/sample-<at>-<weights>-seed<seed>.png].
    #[arg(short, long, value_name = "FILE.png")]
    output: Option<PathBuf>,
}

#[cfg(not(feature = "torch"))]
pub(crate) fn exec(args: Args) -> Result<std::process::ExitCode, super::failure::Failure> {
    Err(super::failure::without_torch(&format!("draw images: {args:?}")))
}

#[cfg(feature = "torch")]
pub(crate) use with_torch::exec;

#[cfg(feature = "torch")]
mod with_torch {
    use std::path::{Path, PathBuf};
    use std::process::ExitCode;

    use super::super::failure::Failure;
    use super::super::output::print;
    use super::Args;
    use crate::config::{self, Config, Sampler, Sampling, Variance};
    use crate::guard::printable;
    use crate::rundir::{Checkpoint, Disk, Located, RunDir, checkpoint, files, weights};
    use crate::train;

    pub(crate) fn exec(args: Args) -> Result<ExitCode, Failure> {
        let run = run_at(&args.run)?;
        let config = config::read_run_config(&run.config_path()).map_err(Failure::user)?;
        let settings = settings(&args, &config)?;
        let file = weights_file(&args.weights, &config)?;
        let chosen = choose(&run, &args.at)?;
        let output = output(&args, &run)?;
        let request = train::SampleRequest {
            config: &config,
            settings: &settings,
            checkpoint: &chosen.path,
            weights: &file,
            n: args.n as usize,
            seed: args.seed,
        };
        train::sample_to(&request, &output).map_err(Failure::internal)?;
        let said = format!(
            "{} images of {} at step {} ({} weights, {} steps of {}, seed {}): {}",
            args.n,
            run.path().display(),
            chosen.step,
            args.weights,
            settings.steps,
            settings.sampler.name(),
            args.seed,
            output.display()
        );
        print(&format!("{}\n", printable(&said)))?;
        Ok(ExitCode::SUCCESS)
    }

    fn run_at(path: &Path) -> Result<RunDir, Failure> {
        match Located::at(path).map_err(Failure::user)? {
            Located::Run(run) => Ok(run),
            _ => Err(Failure::user(format!("{} is not a run folder", path.display()))
                .with_help("name one run: runs/<experiment>/<variant>/seed-<n>")),
        }
    }

    /// The run's own settings with the flags laid over them.
    fn settings(args: &Args, config: &Config) -> Result<Sampling, Failure> {
        let mut sampling = config.sampling.clone();
        let sampler = args.sampler.unwrap_or(sampling.sampler);
        // What the run set for another sampler is no mistake of the flags.
        if sampler != Sampler::Ddim {
            sampling.eta = 0.0;
        }
        if sampler != Sampler::Ddpm {
            sampling.variance = Variance::FixedSmall;
        }
        sampling.sampler = sampler;
        sampling.steps = args.steps.map_or(sampling.steps, |steps| steps as usize);
        sampling.eta = args.eta.unwrap_or(sampling.eta);
        sampling.variance = args.variance.unwrap_or(sampling.variance);
        sampling.timestep_spacing = args.timestep_spacing.unwrap_or(sampling.timestep_spacing);
        if !(0.0..=1.0).contains(&sampling.eta) {
            return Err(Failure::user(format!("--eta {} is out of range", sampling.eta))
                .with_help("use 0 (deterministic) to 1 (as noisy as DDPM)"));
        }
        let drawn = Config { sampling, ..config.clone() };
        config::check_sampling(&drawn)?;
        Ok(drawn.sampling)
    }

    /// Stem of the checkpoint's file that holds these weights.
    fn weights_file(asked: &str, config: &Config) -> Result<String, Failure> {
        let labels = config.ema.labels();
        let place = match asked {
            "raw" => return Ok(weights::RAW.to_owned()),
            "ema" => Some(0),
            named => labels.iter().position(|label| label == named),
        };
        place.map(|place| weights::average(place, &labels[place])).ok_or_else(|| {
            let mut words = vec![format!("ema (that is {})", labels[0])];
            words.extend_from_slice(&labels[1..]);
            Failure::user(format!("--weights {asked}: this run has no such weights"))
                .with_help(format!("use {} or raw", words.join(", ")))
        })
    }

    /// The checkpoint asked for, its files verified.
    fn choose(run: &RunDir, at: &str) -> Result<Checkpoint, Failure> {
        let latest = checkpoint::latest_verified(&Disk, run, None).map_err(Failure::internal)?;
        let last = latest.checkpoint.ok_or_else(|| {
            Failure::user(format!("{} has no checkpoint yet", run.path().display()))
                .with_help("train it first; ablate status shows how far it is")
        })?;
        let step = match at {
            "last" => return Ok(last),
            "best" => last.manifest.best.map(|best| best.step).ok_or_else(|| {
                Failure::user("no evaluation has chosen a best checkpoint yet").with_help("use --at last")
            })?,
            other => other
                .strip_prefix("step=")
                .and_then(|step| step.parse().ok())
                .ok_or_else(|| Failure::user(format!("--at {other}: use last, best or step=N")))?,
        };
        let path = run.checkpoint_path(step);
        if !path.exists() {
            let kept: Vec<String> = checkpoint::list(&Disk, run)
                .map_err(Failure::internal)?
                .into_iter()
                .map(|(step, _)| step.to_string())
                .collect();
            return Err(Failure::user(format!("no checkpoint of step {step} is kept"))
                .with_help(format!("kept are the steps {}", kept.join(", "))));
        }
        checkpoint::verify(&Disk, &path, None).map_err(Failure::internal)
    }

    fn output(args: &Args, run: &RunDir) -> Result<PathBuf, Failure> {
        if let Some(path) = &args.output {
            return Ok(path.clone());
        }
        let folder = run.samples_path();
        files::create_dir(&Disk, &folder).map_err(Failure::internal)?;
        Ok(folder.join(format!("sample-{}-{}-seed{}.png", args.at, args.weights, args.seed)))
    }
}
